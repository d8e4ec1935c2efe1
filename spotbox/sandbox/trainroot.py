"""Gives a training job a literal /opt/ml: a script that enters namespaces of its own and becomes the job's program.

Run, never imported by the sandbox: `python -I -S trainroot.py STAGE ML HOSTS CWD PROGRAM ARGS...`. ML is bound to
/opt/ml and HOSTS to /etc/hosts, for this process and what comes of it; nothing on the machine changes. It takes a user
namespace and a mount namespace (user_namespaces(7), mount_namespaces(7)), which a system may forbid: then exit 126.
"""

import ctypes
import os
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000  # linux/sched.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h
LIBC = ctypes.CDLL(None, use_errno=True)


def done(result: int, what: str) -> None:
    """Raise OSError where a call of libc failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def mount(source: str, target: str, flags: int, kind: str | None = None) -> None:
    """mount(2), which Python does not wrap."""
    raw = [os.fsencode(text) if text is not None else None for text in (source, target, kind)]
    done(LIBC.mount(*raw, ctypes.c_ulong(flags), None), target)


def enter() -> None:
    """Go into new namespaces as the same user, who has rights there over the mounts alone."""
    user, group = os.getuid(), os.getgid()
    done(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    mount("none", "/", MS_REC | MS_PRIVATE)


def make_opt(stage: str, ml: str) -> None:
    """Put an /opt in the place of this machine's that has all that it has, and `ml`."""
    if os.path.isdir("/opt/ml"):
        mount(ml, "/opt/ml", MS_BIND | MS_REC)
        return
    mount("tmpfs", stage, 0, "tmpfs")
    for entry in os.scandir("/opt"):
        here = os.path.join(stage, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), here)
            continue
        if entry.is_dir():
            os.mkdir(here)
        else:
            open(here, "w").close()
        mount(entry.path, here, MS_BIND | MS_REC)
    os.mkdir(os.path.join(stage, "ml"))
    mount(ml, os.path.join(stage, "ml"), MS_BIND | MS_REC)
    mount(stage, "/opt", MS_BIND | MS_REC)


def main(argv: list[str]) -> None:
    """See the module."""
    stage, ml, hosts, folder, program, *args = argv
    try:
        enter()
        make_opt(stage, ml)
        mount(hosts, "/etc/hosts", MS_BIND)
        os.chdir(folder)
        os.execvp(program, [program, *args])  # no shell is meant
    except OSError as error:
        os.write(2, f"{error.filename or program}: {error.strerror}\n".encode())
    finally:
        os._exit(126)


if __name__ == "__main__":
    main(sys.argv[1:])
