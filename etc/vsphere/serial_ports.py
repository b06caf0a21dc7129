#!/usr/bin/env python3
"""Serial ports of many VMs, and ESXi's rule set for them, by vCenter's API (pyVmomi).

    serial_ports.py --vcenter vc.example.com --user admin@vsphere.local list 'web*'
    serial_ports.py ... set 'web*' --proxy-uri 'telnets://vspc.example.com:13371#thumbprint=...'
    serial_ports.py ... rule-set prod

Nothing is changed without --apply. The password is asked for, or read from --password-file. The
exit status is 1 if a VM or host could not be changed.
"""

import argparse
import getpass
import re
import ssl
import sys
import time
from fnmatch import fnmatchcase

try:
    from pyVim.connect import Disconnect, SmartConnect
    from pyVmomi import vim, vmodl
except ImportError:
    sys.exit("serial_ports.py needs pyVmomi: pip install pyvmomi")

URI = vim.vm.device.VirtualSerialPort.URIBackingInfo

TASK_LIMIT = 120
"""Seconds that vCenter may take for one VM."""

PAGE = 200
"""VMs whose properties are asked for at a time."""

PROXY_URI = re.compile(
    r"telnets?://[^/:\s]+:[0-9]+(#\S+)?|telnets?://\[[0-9a-fA-F:]+\]:[0-9]+(#\S+)?"
)

PROPERTIES = ["name", "config.template", "config.hardware.device", "runtime.powerState"]


class Failed(Exception):
    """Something could not be done; the text says why."""


def collected(content, kind, names):
    """Each object of a kind below the root folder, as (object, its properties)."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    query = vmodl.query.PropertyCollector
    try:
        each = query.TraversalSpec(
            name="each", type=vim.view.ContainerView, path="view", skip=False
        )
        start = query.ObjectSpec(obj=view, skip=True, selectSet=[each])
        wanted = query.PropertySpec(type=kind, pathSet=names, all=False)
        search = query.FilterSpec(objectSet=[start], propSet=[wanted])
        collector = content.propertyCollector
        page = collector.RetrievePropertiesEx([search], query.RetrieveOptions(maxObjects=PAGE))
        while page is not None:
            for found in page.objects:
                yield found.obj, {each.name: each.val for each in found.propSet}
            page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    finally:
        view.Destroy()


def virtual_machines(content, globs):
    """VMs whose name matches one of `globs`, by name; no templates."""
    found = [
        (machine, facts)
        for machine, facts in collected(content, vim.VirtualMachine, PROPERTIES)
        if any(fnmatchcase(facts["name"], glob) for glob in globs)
        and not facts.get("config.template")
    ]
    return sorted(found, key=lambda pair: pair[1]["name"])


def network_ports(facts):
    """The VM's serial ports over the network."""
    devices = facts.get("config.hardware.device") or []
    ports = [each for each in devices if isinstance(each, vim.vm.device.VirtualSerialPort)]
    return [each for each in ports if isinstance(each.backing, URI)]


def described(port):
    """A port in one line."""
    backing = port.backing
    label = port.deviceInfo.label if port.deviceInfo else "serial port"
    proxy = backing.proxyURI or "no concentrator"
    on_poll = ", yields on poll" if port.yieldOnPoll else ""
    return f"{label}: {backing.direction}, {backing.serviceURI}, {proxy}{on_poll}"


def planned(facts, options):
    """What `set` would do with a VM: (what, device, operation), or None if all is as wanted."""
    ports = [each for each in network_ports(facts) if options.label in ("", label_of(each))]
    if options.label and not ports:
        raise Failed(f"has no network serial port '{options.label}'")
    if options.new or not ports:
        if facts["runtime.powerState"] != "poweredOff" and not options.running:
            raise Failed(
                "is powered on; a serial port is added to a VM that is off (--running tries)"
            )
        return "add", new_port(options), "add"
    port = ports[0]
    before = (port.backing.proxyURI, port.backing.serviceURI, port.backing.direction)
    same = before == (options.proxy_uri, options.service_uri, "server")
    if same and bool(port.yieldOnPoll) == options.yield_on_poll:
        return None
    port.backing = backing_of(options)
    port.yieldOnPoll = options.yield_on_poll
    return (
        f"change {label_of(port)} from {before[1]}, {before[0] or 'no concentrator'}",
        port,
        "edit",
    )


def label_of(port):
    """`Serial port 1`, as vSphere shows it."""
    return port.deviceInfo.label if port.deviceInfo else ""


def backing_of(options):
    """The dialog's fields: direction, port URI and vSPC URI."""
    return URI(direction="server", serviceURI=options.service_uri, proxyURI=options.proxy_uri)


def new_port(options):
    """A serial port that is connected at power-on."""
    connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, connected=True, allowGuestControl=True
    )
    return vim.vm.device.VirtualSerialPort(
        key=-1,
        backing=backing_of(options),
        connectable=connectable,
        yieldOnPoll=options.yield_on_poll,
    )


def finished(task, sleep=time.sleep):
    """Wait for a task; Failed if it fails or takes too long."""
    for _ in range(TASK_LIMIT):
        info = task.info
        if info.state == "success":
            return
        if info.state == "error":
            raise Failed(getattr(info.error, "msg", None) or "failed")
        sleep(1)
    raise Failed(f"has not finished in {TASK_LIMIT} s")


def list_ports(content, options):
    """Print the network serial ports of VMs."""
    for _, facts in virtual_machines(content, options.vms):
        for port in network_ports(facts) or [None]:
            print(f"{facts['name']}: {described(port) if port else 'no network serial port'}")
    return 0


def set_ports(content, options):
    """Add or change the ports of VMs."""
    failures = 0
    for machine, facts in virtual_machines(content, options.vms):
        try:
            plan = planned(facts, options)
            if plan is None:
                print(f"{facts['name']}: unchanged")
                continue
            what, device, operation = plan
            print(f"{facts['name']}: {what}: {described(device)}")
            if options.apply:
                change = vim.vm.device.VirtualDeviceSpec(device=device, operation=operation)
                finished(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
        except (Failed, vmodl.MethodFault) as error:
            failures += 1
            print(f"{facts['name']}: {getattr(error, 'msg', None) or error}", file=sys.stderr)
    return said(options, failures)


def set_rule_set(content, options):
    """Enable a rule set on every host of a cluster."""
    clusters = collected(content, vim.ClusterComputeResource, ["name", "host"])
    hosts = [
        host for _, facts in clusters if facts["name"] == options.cluster for host in facts["host"]
    ]
    if not hosts:
        print(f"no cluster '{options.cluster}', or it has no hosts", file=sys.stderr)
        return 1
    failures = 0
    for host in hosts:
        try:
            firewall = host.configManager.firewallSystem
            found = [each for each in firewall.firewallInfo.ruleset if each.key == options.name]
            if not found:
                raise Failed(f"has no rule set {options.name}")
            print(
                f"{host.name}: {options.name} {'is on' if found[0].enabled else 'is off: enable'}"
            )
            if options.apply and not found[0].enabled:
                firewall.EnableRuleset(id=options.name)
        except (Failed, vmodl.MethodFault) as error:
            failures += 1
            print(f"{host.name}: {getattr(error, 'msg', None) or error}", file=sys.stderr)
    return said(options, failures)


def said(options, failures):
    """The exit status; says that a dry run was one."""
    if not options.apply:
        print("dry run: nothing was changed; --apply does it")
    return 1 if failures else 0


def proxy_uri(text):
    """A vSPC URI."""
    if not PROXY_URI.fullmatch(text):
        raise argparse.ArgumentTypeError(
            "expected telnets://HOST:PORT, as vspc proxy-uri prints it"
        )
    return text


def parser():
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found.add_argument("--vcenter", required=True, help="vCenter, or one ESXi host")
    found.add_argument("--user", required=True)
    found.add_argument("--password-file", help="its first line is the password")
    found.add_argument("--ca", help="PEM of the authority of vCenter's certificate")
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="network serial ports of VMs")
    listing.set_defaults(run=list_ports)
    setting = commands.add_parser("set", help="add a port, or change the one that is there")
    for each in (listing, setting):
        each.add_argument("vms", nargs="+", metavar="VM", help="a name or a shell pattern")
    setting.set_defaults(run=set_ports)
    setting.add_argument("--proxy-uri", required=True, type=proxy_uri, help="vSPC URI")
    setting.add_argument("--service-uri", default="vspc", help="port URI (vspc)")
    which = setting.add_mutually_exclusive_group()
    which.add_argument("--label", default="", help="the port to change: 'Serial port 2'")
    which.add_argument("--new", action="store_true", help="add a port even if there is one")
    setting.add_argument("--yield-on-poll", action="store_true", help="for guests that poll")
    setting.add_argument("--running", action="store_true", help="add to VMs that are powered on")
    rules = commands.add_parser("rule-set", help="the firewall of a cluster's hosts")
    rules.set_defaults(run=set_rule_set)
    rules.add_argument("cluster")
    rules.add_argument("--name", default="vSPC", help="vSPC, or remoteSerialPort")
    for each in (setting, rules):
        each.add_argument("--apply", action="store_true", help="do it; without, only say what")
    return found


def password(options):
    """From the file, or asked for."""
    if options.password_file is None:
        return getpass.getpass(f"Password of {options.user}: ")
    with open(options.password_file, encoding="utf-8") as file:
        return file.readline().rstrip("\r\n")


def main():
    """Run one command; its exit status."""
    options = parser().parse_args()
    context = ssl.create_default_context(cafile=options.ca)
    try:
        service = SmartConnect(
            host=options.vcenter, user=options.user, pwd=password(options), sslContext=context
        )
    except (OSError, vmodl.MethodFault) as error:
        print(f"{options.vcenter}: {getattr(error, 'msg', None) or error}", file=sys.stderr)
        return 1
    try:
        return options.run(service.RetrieveContent(), options)
    finally:
        Disconnect(service)


if __name__ == "__main__":
    sys.exit(main())
