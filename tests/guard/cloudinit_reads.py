"""What cloud-init makes of user data: run by the system's Python, whose cloud-init it uses.

stdin: JSON of user data in base64 by name. stdout: JSON, by the same names, of the merged cloud-config and of the
scripts in the order in which they run. Several at once, as the import of cloud-init takes seconds.
"""

import base64
import json
import os
import sys
import tempfile

import yaml
from cloudinit import handlers, helpers, settings, user_data
from cloudinit.handlers import boot_hook, cloud_config, shell_script


class Source:
    """As much of a data source as the paths of an instance need."""

    sys_cfg: dict = {}  # noqa: RUF012

    def get_instance_id(self):
        return "i-0"


def reads(raw, folder):
    instance = os.path.join(folder, "instances", "i-0")
    for name in ("scripts", "handlers", "boothooks"):
        os.makedirs(os.path.join(instance, name))
    os.symlink(instance, os.path.join(folder, "instance"))
    paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder}, Source())
    message = user_data.UserDataProcessor(paths).process(raw)
    known = helpers.ContentHandlers()
    default = [cloud_config.CloudConfigPartHandler(paths), shell_script.ShellScriptPartHandler(paths)]
    default += [boot_hook.BootHookPartHandler(paths, Source())]
    for handler in default:
        known.register(handler, overwrite=False)
        handlers.call_begin(handler, {}, settings.PER_INSTANCE)
    data = {"handlers": known, "handlerdir": os.path.join(instance, "handlers"), "data": {}, "handlercount": 0}
    data.update(frequency=settings.PER_INSTANCE, excluded=[])
    handlers.walk(message, handlers.walker_callback, data=data)
    for handler in default:
        handlers.call_end(handler, {}, settings.PER_INSTANCE)
    with open(os.path.join(instance, "cloud-config.txt")) as file:
        config = yaml.safe_load(file)
    scripts = []
    for name in sorted(os.listdir(os.path.join(instance, "scripts"))):
        with open(os.path.join(instance, "scripts", name), encoding="latin-1") as file:
            scripts.append([name, file.read()])
    return {"config": config, "scripts": scripts}


def main():
    made = {}
    for name, encoded in json.load(sys.stdin).items():
        with tempfile.TemporaryDirectory() as folder:
            made[name] = reads(base64.b64decode(encoded), folder)
    json.dump(made, sys.stdout)


main()
