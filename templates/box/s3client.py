"""S3 over HTTP for the `aws` of a sandbox box, by the standard library alone.

boto3 takes 0.6 s of CPU until its first call, and an interruption notice in the sandbox is 5 s for all the calls of a
last sync; this takes a tenth of a second. The sandbox believes whoever calls it: requests are not signed.
"""

import http.client
import json
import os
import shutil
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
PATIENCE = 60.0  # seconds for an answer
CHUNK = 1 << 20
QUICK = 2.0  # seconds for an answer of the metadata service


class NoCredentials(Exception):
    """Neither the environment nor an instance profile gives any."""


class Refused(Exception):
    """S3's answer to a call: `code` and words."""

    def __init__(self, code: str, operation: str, message: str):
        super().__init__(f"An error occurred ({code}) when calling the {operation} operation: {message}")
        self.code = code


def credentials() -> tuple[str, str]:
    """Access key and session token: of the environment, else of the instance profile. Raises NoCredentials."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return os.environ["AWS_ACCESS_KEY_ID"], os.environ.get("AWS_SESSION_TOKEN", "")
    base = urllib.parse.urlsplit(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""))
    folder = "/latest/meta-data/iam/security-credentials/"
    try:
        link = http.client.HTTPConnection(base.netloc, timeout=QUICK)
        token = _metadata(link, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        said = {"X-aws-ec2-metadata-token": token}
        role = _metadata(link, "GET", folder, said)
        found = json.loads(_metadata(link, "GET", folder + role, said))
        return found["AccessKeyId"], found["Token"]
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        raise NoCredentials from error


def _metadata(link: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str]) -> str:
    link.request(method, path, headers=dict(headers))
    reply = link.getresponse()
    text = reply.read().decode()
    if reply.status != 200:
        raise ValueError(f"the metadata service answered {reply.status}")
    return text


class Client:
    """The few calls of S3 that `aws s3` needs. Each raises Refused, or OSError where S3 does not answer."""

    def __init__(self, region: str):
        key, token = credentials()
        day = datetime.now(UTC).strftime("%Y%m%d")
        scope = f"Credential={key}/{day}/{region}/s3/aws4_request"
        self._headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
        self._headers |= {"X-Amz-Security-Token": token} if token else {}
        self._host = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc

    def _call(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        path = "/" + "/".join(urllib.parse.quote(part, safe="/-_.~") for part in (bucket, key) if part)
        path += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else ""
        link = http.client.HTTPConnection(self._host, timeout=PATIENCE)
        try:
            link.request(method, path, body, {**self._headers, **(headers or {})})
            reply = link.getresponse()
        except http.client.HTTPException as error:
            raise OSError(f"no answer from S3: {error}") from error
        if reply.status >= 300:
            raise _refused(reply, operation)
        return reply

    def list(self, bucket: str, prefix: str, delimiter: str = "") -> Iterator[tuple[str, int, datetime | None]]:
        """(key, bytes, last modified) below a prefix; a common prefix has no time."""
        query = {"list-type": "2", "prefix": prefix} | ({"delimiter": delimiter} if delimiter else {})
        while True:
            page = ElementTree.fromstring(self._call("ListObjectsV2", "GET", bucket, query=query).read())  # noqa: S314  # the sandbox wrote it
            for row in page.iter(f"{NAMESPACE}CommonPrefixes"):
                yield _text(row, "Prefix"), 0, None
            for row in page.iter(f"{NAMESPACE}Contents"):
                yield _text(row, "Key"), int(_text(row, "Size")), datetime.fromisoformat(_text(row, "LastModified"))
            token = page.findtext(f"{NAMESPACE}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    def buckets(self) -> Iterator[tuple[str, datetime]]:
        """Name and creation time of each bucket."""
        page = ElementTree.fromstring(self._call("ListBuckets", "GET", "").read())  # noqa: S314  # the sandbox wrote it
        for row in page.iter(f"{NAMESPACE}Bucket"):
            yield _text(row, "Name"), datetime.fromisoformat(_text(row, "CreationDate"))

    def get(self, bucket: str, key: str, into: IO[bytes]) -> float:
        """Write an object to an open file; gives when it was last modified, in seconds since 1970."""
        from email.utils import parsedate_to_datetime

        try:
            reply = self._call("GetObject", "GET", bucket, key)
        except Refused as error:
            if error.code != "NoSuchKey":
                raise
            raise Refused("404", "HeadObject", f'Key "{key}" does not exist') from error  # the AWS CLI looks first
        shutil.copyfileobj(reply, into, CHUNK)
        if reply.length:
            raise OSError("S3 broke off")
        return parsedate_to_datetime(reply.headers["Last-Modified"]).timestamp()

    def put(self, bucket: str, key: str, body: IO[bytes] | bytes, size: int) -> None:
        """Make an object of the content."""
        self._call("PutObject", "PUT", bucket, key, body=body, headers={"Content-Length": str(size)}).read()

    def copy(self, bucket: str, key: str, to: str, name: str) -> None:
        """Copy an object within S3."""
        source = {"x-amz-copy-source": urllib.parse.quote(f"/{bucket}/{key}")}
        self._call("CopyObject", "PUT", to, name, headers=source).read()

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        self._call("DeleteObject", "DELETE", bucket, key).read()


def _text(row: ElementTree.Element, name: str) -> str:
    return row.findtext(f"{NAMESPACE}{name}") or ""


def _refused(reply: http.client.HTTPResponse, operation: str) -> Refused:
    try:
        page = ElementTree.fromstring(reply.read())  # noqa: S314  # the sandbox wrote it
        return Refused(page.findtext("Code") or str(reply.status), operation, page.findtext("Message") or "")
    except ElementTree.ParseError:
        return Refused(str(reply.status), operation, reply.reason)
