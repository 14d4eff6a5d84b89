"""`affidavit doctor`: a line for each thing that a run needs, and the remedy if it fails."""

import json
from dataclasses import asdict

from rich.markup import escape

from graph.installation import health
from scripts import printing


def examine(as_json: bool) -> int:
    """Show how everything does; return 1 if anything is not well."""
    found = []
    with printing.err.status("Examining …") as status:
        for check in health():
            found.append(check)
            status.update(f"Examined {check.name} …")
            if not as_json:
                mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
                printing.out.print(f"{mark} {escape(check.name)}: {escape(check.detail)}")
                if check.remedy:
                    printing.out.print(f"  {escape(check.remedy)}")
    ok = all(check.ok for check in found)
    if as_json:
        checks = [asdict(check) for check in found]
        print(json.dumps({"ok": ok, "checks": checks}, ensure_ascii=False, indent=2))
    return 0 if ok else 1
