"""A process that has loaded spotbox once and forks a child for each command: each is a process of its own that can be
killed, without the second that a Python with boto3 takes to start.

A line of JSON asks for it: {"args": [...], "env": {...}, "out": path} gives {"pid"}; {"wait": pid, "block": bool} gives
{"code"}, null while it runs.
"""

import json
import os
import sys


def main() -> None:
    """Serve until the input ends."""
    # What every command loads late; loaded here it costs nothing in the children.
    import boto3  # noqa: F401
    import botocore.client
    import botocore.retries.standard  # noqa: F401

    for name in ("up", "down", "stop", "start", "status"):
        __import__(f"spotbox.commands.{name}")
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            done, status = os.waitpid(asked["wait"], 0 if asked["block"] else os.WNOHANG)
            reply = {"code": os.waitstatus_to_exitcode(status) if done else None}
        else:
            pid = os.fork()
            if pid == 0:
                _become(asked)
            reply = {"pid": pid}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def _become(asked: dict) -> None:
    """The child: spotbox with these arguments, its output into the file."""
    code = 1
    try:
        out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["env"]["HOME"])
        from spotbox.cli import run

        code = int(run(asked["args"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
