"""What compose.yaml says of the services that run the image."""

from tests.conftest import ROOT
from tests.faults.servers import missing


def services():
    """The services of the image, by name."""
    try:
        from ruamel.yaml import YAML  # comes with check-jsonschema
    except ImportError:
        missing("check-jsonschema is not installed; .ci/run installs it")
    found = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
    return {name: service for name, service in found.items() if "build" in service}
