"""Installed packages: what an installer would leave in a folder."""


def install(folder, package, entry_points, version="1.0", **modules):
    """Write the metadata of ``package`` and its ``modules``; ``entry_points`` are lines of ``name = value``."""
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("\n".join(["[stream_events.handlers]", *entry_points]) + "\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
