"""Answers that are none of AWS's: told as such, whichever part of botocore stumbles over them.

botocore says ResponseParserError of XML that is none. A page of HTML that happens to be XML, or that came in the place
of JSON, it takes for an answer in which nothing stands: `no boxes`; and a number or time that is none is whatever
Python raises of it.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory

# A page of HTML, also after a byte order mark, an XML declaration and comments.
_PAGE = re.compile(rb"(\xef\xbb\xbf)?(\s|<\?[^>]*>|<!--.*?-->)*<(html|!doctype)\b", re.IGNORECASE | re.DOTALL)
_PROTOCOLS = {"ec2", "query", "json"}  # those whose answers are one body, read whole


class Parsers(ResponseParserFactory):  # type: ignore[misc]
    """botocore's parsers, which raise ResponseParserError for every answer that cannot be read."""

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol, such as `ec2`."""
        parser = super().create_parser(protocol_name)
        if protocol_name in _PROTOCOLS:
            parser.parse = partial(_parsed, parser.parse, protocol_name == "json")
        return parser


def _parsed(parse: Callable[..., Any], is_json: bool, response: Mapping[str, Any], shape: Any) -> Any:
    body = response["body"]
    told = shape is not None and (shape.members or body)  # of an answer that has no members, nothing need be sent
    if told and response["status_code"] < 300 and isinstance(body, bytes) and not _may_be(body, is_json):
        raise ResponseParserError("no answer of AWS's")
    try:
        return parse(response, shape)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ResponseParserError(f"an answer with what cannot be read: {error}") from error


def _may_be(body: bytes, is_json: bool) -> bool:
    """Whether this begins and ends as an answer of AWS's does; to read it all is for the parser."""
    text = body.strip()
    if is_json:
        return text[:1] == b"{" and text[-1:] == b"}"
    return not _PAGE.match(text)
