"""The software bill of materials, CycloneDX: `python -m tests.supply.sbom OUT [--python PYTHON]`.

cyclonedx-py lists what is installed beside a Python; of that only what vspc needs to run is kept.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from tests.supply.closure import PROJECT, needed

SPECIFICATION = "1.6"
"""Of CycloneDX."""


def everything(python: Path) -> dict[str, Any]:
    """What is installed beside `python`. CalledProcessError."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", str(python)]
    command += ["--spec-version", SPECIFICATION, "--output-format", "JSON"]
    command += ["--output-reproducible", "--no-validate"]  # `mistake` looks at what is left
    done = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def reduced(bom: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """`bom` with vspc as what it is about, and no other components than those of `names`."""
    components: dict[str, dict[str, Any]] = {}
    for component in bom["components"]:
        name = canonicalize_name(component["name"])
        if name in names:
            components.setdefault(name, component)
    subject = {**components.pop(PROJECT), "type": "application"}
    # Where it was installed from says nothing, but where this machine has its files.
    subject.pop("externalReferences", None)
    refs = {each["bom-ref"] for each in (subject, *components.values())}
    dependencies = [
        {"ref": each["ref"], "dependsOn": sorted(refs.intersection(each.get("dependsOn", ())))}
        for each in bom["dependencies"]
        if each["ref"] in refs
    ]
    metadata = {**bom["metadata"], "component": subject}
    chosen = [components[name] for name in sorted(components)]
    return {**bom, "metadata": metadata, "components": chosen, "dependencies": dependencies}


def mistake(bom: dict[str, Any]) -> str:
    """Why `bom` is not as the schema of CycloneDX wants it; empty if it is."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom))
    return "" if found is None else str(found)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.sbom", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    options = parser.parse_args()
    bom = reduced(everything(options.python), needed())
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(bom, indent=1) + "\n", encoding="utf-8")
    print(f"{options.out}: {len(bom['components'])} components of {PROJECT}")
    if wrong := mistake(bom):
        print(f"{options.out} is not valid: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
