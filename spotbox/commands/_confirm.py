"""The question before a plan that was shown is carried out."""

from spotbox.app import App
from spotbox.core.errors import SpotboxError


def confirm(app: App, yes: bool, question: str, refused: str) -> None:
    """Ask, unless `yes`; SpotboxError with `refused` where the user says no, UsageError without a terminal to ask on.

    In the sandbox nothing is at stake: without a terminal it goes ahead.
    """
    if yes:
        return
    if not app.prompts.possible:
        if not app.sandbox:
            raise app.prompts.refuse("-y")
        app.remark("no terminal to ask on: going ahead, as this is the sandbox")
    elif not app.prompts.confirm(question, True, "-y"):
        raise SpotboxError(refused)
