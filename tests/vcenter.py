"""As much of vCenter's API as etc/vsphere needs, in memory, under the real pyVmomi.

pyVmomi checks names and types of every object and argument as it does for a real vCenter; what is
answered is this file's. It says nothing about what a real vCenter allows.
"""

from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import StubAdapterBase

DEVICES = "config.hardware.device"

PAGE = 2
"""Objects of an answer: more come in the next one."""


def network_port(key: int, service: str, proxy: str | None, direction: str = "server") -> Any:
    """A serial port over the network."""
    backing = vim.vm.device.VirtualSerialPort.URIBackingInfo(
        direction=direction, serviceURI=service, proxyURI=proxy
    )
    label = vim.Description(label=f"Serial port {key - 8999}", summary="")
    return vim.vm.device.VirtualSerialPort(
        key=key, backing=backing, deviceInfo=label, yieldOnPoll=False
    )


class FakeVCenter(StubAdapterBase):  # type: ignore[misc]
    """VMs as (name, power state, devices), hosts as (name, {rule set: enabled}), one cluster."""

    def __init__(self) -> None:
        super().__init__("vim.version.version9")
        self.machines: dict[str, dict[str, Any]] = {}
        self.hosts: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, Any] = {}
        self.calls: list[str] = []

    def add_vm(self, name: str, *devices: Any, power: str = "poweredOff") -> None:
        facts = {"name": name, "config.template": False, "runtime.powerState": power}
        self.machines[f"vm-{len(self.machines)}"] = facts | {DEVICES: list(devices)}

    def add_host(self, name: str, **rule_sets: bool) -> None:
        self.hosts[f"host-{len(self.hosts)}"] = {"name": name, "sets": rule_sets}

    def devices(self, name: str) -> list[Any]:
        return next(each[DEVICES] for each in self.machines.values() if each["name"] == name)

    def service(self) -> Any:
        return vim.ServiceInstance("ServiceInstance", self)

    # What pyVmomi calls

    def InvokeAccessor(self, managed: Any, info: Any) -> Any:
        key = managed._moId
        match info.name:
            case "info":
                return self.tasks[key]
            case "name":
                return self.hosts[key]["name"]
            case "configManager":
                firewall = vim.host.FirewallSystem(f"firewall-{key}", self)
                return vim.host.ConfigManager(firewallSystem=firewall)
            case "firewallInfo":
                sets = self.hosts[key.removeprefix("firewall-")]["sets"]
                policy = vim.host.FirewallInfo.DefaultPolicy()
                found = [_rule_set(*each) for each in sets.items()]
                return vim.host.FirewallInfo(defaultPolicy=policy, ruleset=found)
        raise AssertionError(f"{info.name} of {managed}")

    def InvokeMethod(self, managed: Any, info: Any, args: Any) -> Any:
        self.calls.append(info.wsdlName)
        return getattr(self, info.wsdlName)(managed, *args)

    def RetrieveServiceContent(self, _managed: Any) -> Any:
        return vim.ServiceInstanceContent(
            rootFolder=vim.Folder("group-d1", self),
            propertyCollector=vmodl.query.PropertyCollector("propertyCollector", self),
            viewManager=vim.view.ViewManager("ViewManager", self),
        )

    def CreateContainerView(self, _managed: Any, _root: Any, _kinds: Any, _deep: bool) -> Any:
        return vim.view.ContainerView("view-1", self)

    def DestroyView(self, _managed: Any) -> None:
        """Nothing is kept."""

    def RetrievePropertiesEx(self, _managed: Any, specs: Any, _options: Any) -> Any:
        [wanted] = specs[0].propSet
        if wanted.type is vim.VirtualMachine:
            self._left = [
                _found(vim.VirtualMachine(key, self), facts, wanted.pathSet)
                for key, facts in self.machines.items()
            ]
        else:
            hosts = [vim.HostSystem(key, self) for key in self.hosts]
            cluster = vim.ClusterComputeResource("domain-c1", self)
            self._left = [_found(cluster, {"name": "prod", "host": hosts}, wanted.pathSet)]
        return self.ContinueRetrievePropertiesEx(_managed, "")

    def ContinueRetrievePropertiesEx(self, _managed: Any, _token: str) -> Any:
        page, self._left = self._left[:PAGE], self._left[PAGE:]
        result = vmodl.query.PropertyCollector.RetrieveResult(objects=page)
        result.token = "more" if self._left else None
        return result

    def ReconfigVM_Task(self, managed: Any, spec: Any) -> Any:
        facts = self.machines[managed._moId]
        [change] = spec.deviceChange
        info = vim.TaskInfo(state="success")
        if change.operation == "edit":
            facts[DEVICES] = [
                change.device if each.key == change.device.key else each for each in facts[DEVICES]
            ]
        elif facts["runtime.powerState"] == "poweredOff":
            facts[DEVICES].append(change.device)
        else:
            fault = vim.fault.InvalidPowerState(msg="not allowed in the current state")
            info = vim.TaskInfo(state="error", error=fault)
        key = f"task-{len(self.tasks)}"
        self.tasks[key] = info
        return vim.Task(key, self)

    def EnableRuleset(self, managed: Any, key: str) -> None:
        self.hosts[managed._moId.removeprefix("firewall-")]["sets"][key] = True


def _rule_set(key: str, enabled: bool) -> Any:
    port = vim.host.Ruleset.Rule(port=0, direction="outbound", portType="dst", protocol="tcp")
    return vim.host.Ruleset(key=key, label=key, required=False, rule=[port], enabled=enabled)


def _found(managed: Any, facts: dict[str, Any], names: list[str]) -> Any:
    arrays = {"host": vim.HostSystem.Array, DEVICES: vim.vm.device.VirtualDevice.Array}
    changes = [
        vmodl.DynamicProperty(name=name, val=arrays.get(name, type(facts[name]))(facts[name]))
        for name in names
    ]
    return vmodl.query.PropertyCollector.ObjectContent(obj=managed, propSet=changes)
