# SPDX-License-Identifier: Apache-2.0
"""Who a request to S3 is from: signatures V2 and V4 checked as Amazon's documentation has them, by code that shares nothing
with freshet's.

"Signing and authenticating REST requests" (V2) and "Authenticating Requests: Using the Authorization Header" (V4),
Amazon S3 API Reference. Only the Authorization header is looked at; nothing is ever signed by URL.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, unquote_plus

SKEW = timedelta(minutes=15)

# What of a query V2 signs.
SUBRESOURCES = set(
    "acl cors delete lifecycle location logging notification partNumber policy requestPayment response-cache-control"
    " response-content-disposition response-content-encoding response-content-language response-content-type"
    " response-expires restore tagging torrent uploadId uploads versionId versioning versions website".split()
)


@dataclass
class Account:
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default=None, repr=False)  # of temporary credentials: must come with every request
    expired: bool = False
    may: set = None  # operations by name (s3_fake.py); None: all


class Refused(Exception):
    """An answer that is an error: S3's code and message, and further elements of its XML."""

    def __init__(self, status, code, message, **more):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.more = status, code, message, more


@dataclass
class Signed:
    """A request, as it came: the path and the query as they were sent, header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes
    virtual_bucket: str = None  # that the host's name says


def pairs(query, decode=unquote_plus):
    """[(name, value)] of a query; a value that is not there is None."""
    split = [part.partition("=") for part in query.split("&") if part]
    return [(decode(name), decode(value) if equals else None) for name, equals, value in split]


def authenticate(request, accounts, now, region, takes):
    """The account that signed it. `takes`: of {"v2", "v4"}. Raises Refused as Amazon answers."""
    header = request.headers.get("authorization")
    if header is None:
        raise Refused(403, "AccessDenied", "Access Denied")
    if header.startswith("AWS4-HMAC-SHA256"):
        if "v4" not in takes:
            raise Refused(400, "InvalidRequest", "The authorization mechanism you have provided is not supported.")
        return check_v4(request, header, accounts, now, region)
    if header.startswith("AWS "):
        if "v2" not in takes:
            raise Refused(
                400,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            )
        return check_v2(request, header, accounts, now)
    raise Refused(400, "InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization")


def account_of(request, key, accounts):
    account = accounts.get(key)
    if account is None:
        raise Refused(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            AWSAccessKeyId=key,
        )
    token = request.headers.get("x-amz-security-token")
    if token != account.token:
        raise Refused(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if account.expired:
        raise Refused(400, "ExpiredToken", "The provided token has expired.")
    return account


def check_time(when, now):
    if abs(when - now) > SKEW:
        raise Refused(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            ServerTime=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            MaxAllowedSkewMilliseconds=str(int(SKEW.total_seconds() * 1000)),
        )


def mismatch(key, string_to_sign, provided):
    return Refused(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        AWSAccessKeyId=key,
        StringToSign=string_to_sign,
        SignatureProvided=provided,
    )


# ---- V2 ----


def resource_v2(request):
    path = (f"/{request.virtual_bucket}" if request.virtual_bucket else "") + request.path
    signed = sorted((n, v) for n, v in pairs(request.query) if n in SUBRESOURCES)
    text = "&".join(n if v is None else f"{n}={v}" for n, v in signed)
    return path + ("?" + text if text else "")


def string_to_sign_v2(request, resource):
    get = request.headers.get
    amz = "".join(
        f"{name}:{' '.join(value.split())}\n" for name, value in sorted(request.headers.items()) if name.startswith("x-amz-")
    )
    date = "" if "x-amz-date" in request.headers else get("date", "")
    return f"{request.method}\n{get('content-md5', '')}\n{get('content-type', '')}\n{date}\n{amz}{resource}"


def sign_v2(secret, text):
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def check_v2(request, header, accounts, now):
    key, colon, provided = header[len("AWS ") :].rpartition(":")
    if not colon:
        raise Refused(400, "InvalidArgument", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
    account = account_of(request, key, accounts)
    try:
        date = request.headers.get("x-amz-date") or request.headers["date"]
        when = parsedate_to_datetime(date)
    except (KeyError, TypeError, ValueError):
        raise Refused(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None
    check_time(when if when.tzinfo else when.replace(tzinfo=timezone.utc), now)
    resource = resource_v2(request)
    # Amazon takes the bucket's name with and without its slash, whichever of both was sent.
    path, mark, rest = resource.partition("?")
    with_slash = path + "/" + mark + rest if path.count("/") == 1 and path != "/" else resource
    texts = [string_to_sign_v2(request, r) for r in (resource, with_slash)]
    if not any(hmac.compare_digest(sign_v2(account.secret_key, text), provided) for text in texts):
        raise mismatch(key, texts[0], provided)
    return account


# ---- V4 ----

CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/([^/,]+), *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})$"
)


def encode(text):
    return quote(text, safe="-_.~", errors="surrogateescape")


def canonical_request(request, signed_headers):
    def again(text):
        return unquote(text, errors="surrogateescape")

    # S3 encodes the path once, and does not tidy it.
    path = "/".join(encode(again(part)) for part in request.path.split("/"))
    query = "&".join(
        f"{n}={v}"
        for n, v in sorted(
            (encode(n), encode(v or ""))
            for n, v in pairs(request.query, lambda t: unquote_plus(t, errors="surrogateescape"))
        )
    )
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers)
    payload = request.headers["x-amz-content-sha256"]
    return f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(signed_headers)}\n{payload}"


def sign_v4(secret, scope, text):
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def malformed(message, **more):
    return Refused(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", **more)


def check_payload(request):
    said = request.headers.get("x-amz-content-sha256")
    if said is None:
        raise Refused(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if said.startswith("STREAMING-"):
        raise Refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    computed = hashlib.sha256(request.body).hexdigest()
    if said not in ("UNSIGNED-PAYLOAD", computed):
        raise Refused(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=said,
            S3ComputedContentSHA256=computed,
        )


def check_signed_headers(request, names):
    if names != sorted(set(names)) or "host" not in names:
        raise malformed("the SignedHeaders are not sorted, or lack the host.")
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in names]
    if unsigned:
        raise Refused(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )


def check_v4(request, header, accounts, now, region):
    match = CREDENTIAL.match(header)
    if not match:
        raise malformed("it is not of the form that is expected.")
    key, day, of_region, service, end, names, provided = match.groups()
    if (service, end) != ("s3", "aws4_request"):
        raise malformed("incorrect service or terminal. This endpoint belongs to \"s3\".")
    account = account_of(request, key, accounts)
    if of_region != region:
        raise malformed(f"the region '{of_region}' is wrong; expecting '{region}'", Region=region)
    date = request.headers.get("x-amz-date", "")
    try:
        when = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refused(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None
    if date[:8] != day:
        raise malformed("the date of the credential is not that of the request.")
    check_time(when, now)
    names = names.split(";")
    check_signed_headers(request, names)
    check_payload(request)
    scope = f"{day}/{of_region}/{service}/{end}"
    canonical = hashlib.sha256(canonical_request(request, names).encode("utf-8", "surrogateescape")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}"
    if not hmac.compare_digest(sign_v4(account.secret_key, scope, text), provided):
        raise mismatch(key, text, provided)
    return account
