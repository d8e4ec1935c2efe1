"""App: all that a command may use, built once from the common options. Tests pass one of fakes."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import click

from spotbox.config import Places, cache_folder, find_places
from spotbox.core.regions import check_region, enabled_regions
from spotbox.core.text import as_typed
from spotbox.core.units import parse_duration
from spotbox.options import Common, chosen_region, common
from spotbox.output import screen
from spotbox.progress import Progress
from spotbox.prompts import Prompts
from spotbox.store import Store
from spotbox.system import System
from spotbox.width import hung

DEFAULT_REGION = "us-east-1"
SANDBOX = "sandbox"  # its folder in the ledger
SETTLE = 60  # seconds in which AWS may not yet show what it has just made
SANDBOX_SETTLE = 2  # the sandbox shows at once


class App:
    """The world a command works in."""

    def __init__(self, options: Common, env: Mapping[str, str] | None = None):
        self.options = options
        self.env = os.environ if env is None else env
        self.places: Places = find_places(self.env)
        self.system = System()
        self.progress = Progress()
        self.prompts = Prompts()
        self.looks_here = ""  # the command that shows what was changed on this machine: a file, the sandbox's life

    @property
    def sandbox(self) -> bool:
        """Whether AWS is the one on this machine."""
        return self.options.sandbox

    @property
    def changed(self) -> bool:
        """Whether anything may have been changed, in AWS or on this machine (caches aside)."""
        return bool(self.looks_here) or ("cloud" in self.__dict__ and bool(self.cloud.changed))

    @property
    def where_to_look(self) -> str:
        """The command that shows what was changed."""
        return self.looks_here or "spotbox status"

    @cached_property
    def endpoint(self) -> Any:
        """The running sandbox; started when needed."""
        from spotbox.sandbox import process

        if not process.running(self.places.sandbox):
            self.progress.show("starting the sandbox, an AWS on this machine")
            try:
                return process.ensure(self.places.sandbox)
            finally:
                self.progress.done()
        return process.ensure(self.places.sandbox)

    @cached_property
    def cloud(self) -> Any:
        """AWS, real or sandbox (aws.cloud.Cloud, or a fake with its verbs)."""
        from spotbox.aws.cloud import Cloud
        from spotbox.aws.hands import Hands
        from spotbox.aws.session import Aws

        if self.sandbox:
            end = self.endpoint
            keys = end.access_key, end.secret_key
            aws = Aws(endpoint=end.url, keys=keys, region=end.region, store=self.store)
        else:
            aws = Aws(profile=self.options.profile, store=self.store)
        return Cloud(Hands(aws, self.system.sleep, self.system.monotonic), self.store, self.advisor_url)

    @cached_property
    def store(self) -> Store:
        """What was asked of AWS a while ago; the sandbox and every other endpoint have their own."""
        return Store(cache_folder(self.places, self.env, self.sandbox), self.system.now)

    @cached_property
    def ledger(self) -> Store:
        """What was seen of boxes in passing, for `cost`; of the sandbox and of every other endpoint its own."""
        name = SANDBOX if self.sandbox else cache_folder(self.places, self.env, False).name
        return Store(self.places.ledger / name, self.system.now)

    @property
    def advisor_url(self) -> str:
        """Where the Spot Instance Advisor's feed is; empty for AWS's own address."""
        own = f"{self.endpoint.url}/spot-advisor-data.json" if self.sandbox else ""
        return self.env.get("SPOTBOX_ADVISOR_URL") or own

    @cached_property
    def identity(self) -> Any:
        """Who the credentials belong to."""
        return self.cloud.identity()

    @cached_property
    def regions(self) -> dict[str, str]:
        """Every region with its opt-in status."""
        found: dict[str, str] = self.cloud.regions()
        return found

    @property
    def enabled_regions(self) -> list[str]:
        """The regions that this account can use."""
        return enabled_regions(self.regions)

    def region(self, ctx: click.Context, value: str | None) -> str:
        """The region in force. UsageError for one that does not exist, exit 5 for one not enabled."""
        name = chosen_region(ctx, value, self.sandbox) or self.cloud.default_region() or DEFAULT_REGION
        return self.check_region(name)

    def named(self, ctx: click.Context) -> bool:
        """Whether -r or SPOTBOX_REGION names the region."""
        strong = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
        return ctx.get_parameter_source("region") in strong

    def named_region(self, ctx: click.Context, value: str | None) -> str | None:
        """The region that -r or SPOTBOX_REGION names, checked; None to look in all."""
        if value is None or not self.named(ctx):
            return None
        return self.check_region(value)

    def check_region(self, name: str) -> str:
        """The name itself, once AWS says that it exists and is enabled."""
        return check_region(name, self.regions)

    def owner(self, given: str | None) -> str:
        """Whose boxes: as given, else by the identity."""
        if given:
            return given
        from spotbox.core.identity import owner_from

        return owner_from(self.identity)

    def is_own(self, owner: str) -> bool:
        """Whether boxes of this owner are the user's own, and not somebody's whom --owner named for this once."""
        if not any(flag.flag == "--owner" for flag in self.options.own):
            return True
        return owner == (self.options.standing_owner or self.owner(None))

    @property
    def settle(self) -> float:
        """Seconds in which AWS may not yet show what it has just made (SPOTBOX_SETTLE)."""
        text = self.env.get("SPOTBOX_SETTLE")
        if text is None:
            return SANDBOX_SETTLE if self.sandbox else SETTLE
        return parse_duration(text)

    def own_address(self) -> str:
        """The address AWS sees us come from; in the sandbox that is loopback."""
        if self.sandbox and not self.env.get("SPOTBOX_CHECKIP_URL"):
            return "127.0.0.1"
        return self.system.own_address(self.env)

    def ssh_target(self, address: str) -> tuple[str, int]:
        """Host and port of the SSH server behind a public address."""
        if self.sandbox:
            from spotbox.sandbox import process

            return process.ssh_target(address)
        return address, 22

    def remark(self, text: str, hang: int = 2) -> None:
        """A remark for the user, on stderr; the commands it names can be typed as they stand. `hang` as in `say`."""
        self.progress.say(as_typed(text, self.options.words, self.options.own), hang)

    def echo(self, text: str, hang: int = 0) -> None:
        """What a command prints for a reader, on stdout; as `remark` in the commands it names. With `hang` it is safe
        text on one line, which goes on below itself on a terminal."""
        told = as_typed(text, self.options.words, self.options.own)
        click.echo(hung(told, screen(), hang) if hang else told)

    def debug(self, text: str) -> None:
        """A remark for --verbose."""
        if self.options.verbose:
            self.progress.say(text)


def get_app(ctx: click.Context) -> App:
    """The App of this run: the one a test passed, else one made of the common options."""
    root = ctx.find_root()
    if not isinstance(root.obj, App):
        root.obj = App(common(ctx))
    typed = common(ctx)
    root.obj.options = replace(root.obj.options, own=typed.own, standing_owner=typed.standing_owner)
    return root.obj
