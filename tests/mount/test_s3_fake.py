# SPDX-License-Identifier: Apache-2.0
"""The S3 servers that the tests use: what the fake answers is what a real one answers, to the same questions by an independent client;
and the fake fails as it is told to.
"""

import hashlib
import http.client
import random
import threading
import urllib.parse
import warnings
from datetime import timedelta

import pytest

import s3_server
from harness import eventually
from s3_fault import KINDS, Faults
from s3_sign import Account

boto3 = pytest.importorskip("boto3", reason=s3_server.NO_BOTO)
from botocore.auth import HmacV1Auth, S3SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from s3_fake import FakeS3  # noqa: E402

pytestmark = [pytest.mark.feedless, pytest.mark.tools]

warnings.filterwarnings("ignore", category=DeprecationWarning, module="botocore")

# None is the start of another up to a '/': MinIO lists only the shorter one of such.
ODD = [
    "plain", "a b", "a+b", "dt=2024-05-04/hour=10/minute=05/part-0.jsonl", "100%", "%41", "*", "~tilde", "naïve", "東京", "a/b/c",
    "a/b/d", "a/bb", "aa", "a-", "b/1", "b/2", "b0", "q?x=1&y", "semi;colon", "'quote'", '"double"', "<xml>&amp;", "(x)", "[y]", "#hash",
    "colon:at@", "😀", "ﬀ", "tab\tx", "\x7fdel", "é",
]  # fmt: skip
BODY = bytes(range(256)) * 4


class Asked:
    """A server, a client for it that signs in one way, and a bucket."""

    def __init__(self, server, signature):
        self.server, self.signature = server, signature
        self.client = s3_server.client(server, signature)
        self.bucket = s3_server.new_bucket(server)

    def put(self, key, body=b"", **more):
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def with_headers(self, operation, **headers):
        """A client that adds headers, which boto3 may not know yet, to an operation."""
        made = s3_server.client(self.server, self.signature)

        def add(params, **_):
            params["headers"].update({name.replace("_", "-"): value for name, value in headers.items()})

        made.meta.events.register(f"before-call.s3.{operation}", add)
        return made


def error(call, **what):
    """(status, code) that a call fails with."""
    with pytest.raises(ClientError) as caught:
        call(**what)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.fixture(scope="module", params=["fake", "minio"])
def server(request):
    if request.param == "minio" and not s3_server.find_minio():
        pytest.skip(s3_server.NO_MINIO)
    made = FakeS3() if request.param == "fake" else s3_server.Minio()
    yield made
    made.stop()


@pytest.fixture(params=["v2", "v4"])
def s3(server, request):
    return Asked(server, request.param)


@pytest.fixture
def fake():
    with FakeS3() as made:
        yield made


# ---- the same answers as a real one's ----


def in_order(keys):
    return sorted(keys, key=str.encode)


def test_every_key_comes_back_as_it_was_put(s3):
    for key in ODD:
        s3.put(key, key.encode())
    assert s3_server.keys(s3.client, s3.bucket) == in_order(ODD)
    for key in ODD:
        found = s3.client.get_object(Bucket=s3.bucket, Key=key)
        assert found["Body"].read() == key.encode()
        assert found["ETag"] == f'"{hashlib.md5(key.encode()).hexdigest()}"'


def rolled(keys, prefix, delimiter):
    """What a listing has: keys, and common prefixes."""
    names = []
    for key in in_order(k for k in keys if k.startswith(prefix)):
        rest = key[len(prefix) :]
        name = prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else key
        if name not in names:
            names.append(name)
    return names


def names_of(page):
    names = [k["Key"] for k in page.get("Contents", [])] + [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return in_order(names)


def assert_pages(pages, want, limit):
    if not pages[-1]:
        pages.pop()  # a last one may be empty: MinIO's sometimes is
    assert pages == [want[i : i + limit] for i in range(0, len(want), limit)]


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("prefix, delimiter", [("", ""), ("", "/"), ("a", "/"), ("a/", "/"), ("a/b", ""), ("none", "/")])
def test_pages_of_a_listing(s3, prefix, delimiter, limit):
    for key in ODD[:20]:
        s3.put(key)
    want = rolled(ODD[:20], prefix, delimiter)
    pages, more = [], {}
    while True:
        page = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, **more)
        pages.append(names_of(page))
        assert page["KeyCount"] == len(pages[-1])
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert_pages(pages, want, limit)


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("prefix, delimiter", [("", ""), ("", "/"), ("a", "/"), ("a/b", "")])
def test_pages_of_a_listing_of_the_old_kind(s3, prefix, delimiter, limit):
    for key in ODD[:20]:
        s3.put(key)
    want = rolled(ODD[:20], prefix, delimiter)
    pages, marker = [], ""
    while True:
        page = s3.client.list_objects(
            Bucket=s3.bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, Marker=marker
        )
        pages.append(names_of(page))
        if not page["IsTruncated"]:
            break
        marker = page.get("NextMarker") or pages[-1][-1]
    assert_pages(pages, want, limit)


def test_a_listing_that_starts_in_its_middle(s3):
    for key in ("a/1", "a/2", "b", "c/1", "d"):
        s3.put(key)
    found = {}
    for after in ("", "a/1", "a/2", "a0", "b", "bb", "d", "e"):
        page = s3.client.list_objects_v2(Bucket=s3.bucket, StartAfter=after)
        found[after] = names_of(page)
        assert names_of(s3.client.list_objects(Bucket=s3.bucket, Marker=after)) == found[after]
    assert found == {after: [k for k in ("a/1", "a/2", "b", "c/1", "d") if k > after] for after in found}
    # A prefix that an earlier page gave is over.
    page = s3.client.list_objects(Bucket=s3.bucket, Marker="a/", Delimiter="/")
    assert names_of(page) == ["b", "c/", "d"]


def test_what_a_listing_says_of_an_object(s3):
    s3.put("k", BODY)
    said = s3.client.list_objects_v2(Bucket=s3.bucket)["Contents"][0]
    head = s3.client.head_object(Bucket=s3.bucket, Key="k")
    assert (said["Size"], said["ETag"]) == (head["ContentLength"], head["ETag"]) == (1024, f'"{hashlib.md5(BODY).hexdigest()}"')
    assert said["LastModified"].replace(microsecond=0) == head["LastModified"]


def test_listings_that_are_asked_for_wrongly(s3):
    listing = s3.client.list_objects_v2
    assert error(listing, Bucket=s3.bucket, MaxKeys=-1) == (400, "InvalidArgument")
    assert error(listing, Bucket=s3.bucket, ContinuationToken="§") == (400, "InvalidArgument")
    assert error(listing, Bucket=s3.bucket + "-none") == (404, "NoSuchBucket")
    page = listing(Bucket=s3.bucket, MaxKeys=0)
    assert (page["IsTruncated"], page["KeyCount"]) == (False, 0)
    assert error(s3.client.list_objects, Bucket=s3.bucket, MaxKeys=-1) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "asked, start, end",
    [
        ("bytes=0-0", 0, 1), ("bytes=5-", 5, 1024), ("bytes=-3", 1021, 1024), ("bytes=1000-2000", 1000, 1024),
        ("bytes=-5000", 0, 1024), ("bytes=10-19", 10, 20), ("bytes=1023-1023", 1023, 1024),
    ],
)  # fmt: skip
def test_a_range_of_an_object(s3, asked, start, end):
    s3.put("k", BODY)
    found = s3.client.get_object(Bucket=s3.bucket, Key="k", Range=asked)
    assert found["Body"].read() == BODY[start:end]
    assert found["ContentRange"] == f"bytes {start}-{end - 1}/1024"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_that_an_object_has_not(s3):
    s3.put("k", BODY)
    s3.put("empty")
    for key, asked in (("k", "bytes=1024-"), ("k", "bytes=2000-3000"), ("empty", "bytes=0-")):
        assert error(s3.client.get_object, Bucket=s3.bucket, Key=key, Range=asked) == (416, "InvalidRange")


def test_reading_on_a_condition(s3):
    etag = s3.put("k", BODY)["ETag"]
    get, head = s3.client.get_object, s3.client.head_object
    of_it = {"Bucket": s3.bucket, "Key": "k"}
    assert get(IfMatch=etag, **of_it)["Body"].read() == BODY
    assert get(IfMatch=etag.strip('"'), **of_it)["Body"].read() == BODY
    assert error(get, IfMatch='"none"', **of_it) == (412, "PreconditionFailed")
    assert error(get, IfMatch='"none"', Range="bytes=0-1", **of_it) == (412, "PreconditionFailed")
    assert error(head, IfMatch='"none"', **of_it) == (412, "412")
    assert error(get, IfNoneMatch=etag, **of_it) == (304, "304")
    when = head(**of_it)["LastModified"]
    assert error(get, IfModifiedSince=when, **of_it) == (304, "304")
    assert error(get, IfUnmodifiedSince=when - timedelta(hours=1), **of_it) == (412, "PreconditionFailed")


def test_what_is_not_there(s3):
    assert error(s3.client.get_object, Bucket=s3.bucket, Key="none") == (404, "NoSuchKey")
    assert error(s3.client.head_object, Bucket=s3.bucket, Key="none") == (404, "404")
    assert error(s3.client.get_object, Bucket=s3.bucket + "-none", Key="k") == (404, "NoSuchBucket")
    assert error(s3.client.head_bucket, Bucket=s3.bucket + "-none") == (404, "404")
    assert error(s3.client.put_object, Bucket=s3.bucket + "-none", Key="k") == (404, "NoSuchBucket")
    s3.client.delete_object(Bucket=s3.bucket, Key="none")


def test_what_was_removed_is_not_there(s3):
    s3.put("k")
    s3.client.delete_object(Bucket=s3.bucket, Key="k")
    assert error(s3.client.get_object, Bucket=s3.bucket, Key="k") == (404, "NoSuchKey")
    assert s3_server.keys(s3.client, s3.bucket) == []


def test_buckets(s3):
    assert s3.bucket in [b["Name"] for b in s3.client.list_buckets()["Buckets"]]
    s3.client.head_bucket(Bucket=s3.bucket)
    assert error(s3.client.create_bucket, Bucket=s3.bucket) == (409, "BucketAlreadyOwnedByYou")
    assert s3.client.get_bucket_location(Bucket=s3.bucket)["LocationConstraint"] in (None, s3_server.REGION)
    s3.put("k")
    assert error(s3.client.delete_bucket, Bucket=s3.bucket) == (409, "BucketNotEmpty")
    s3.client.delete_objects(Bucket=s3.bucket, Delete={"Objects": [{"Key": "k"}]})
    s3.client.delete_bucket(Bucket=s3.bucket)


def test_what_is_put_with_an_object_comes_back(s3):
    s3.put("k", b"x", Metadata={"a": "1"}, ContentType="application/json")
    head = s3.client.head_object(Bucket=s3.bucket, Key="k")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "application/json")


def test_a_body_that_is_another_than_its_digest_says(s3):
    assert error(s3.put, key="k", body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == (400, "BadDigest")
    assert error(s3.client.head_object, Bucket=s3.bucket, Key="k") == (404, "404")


def test_putting_only_where_nothing_is(s3):
    new = s3.with_headers("PutObject", If_None_Match="*").put_object
    etag = new(Bucket=s3.bucket, Key="k", Body=b"1")["ETag"]
    assert error(new, Bucket=s3.bucket, Key="k", Body=b"2") == (412, "PreconditionFailed")
    assert s3.client.get_object(Bucket=s3.bucket, Key="k")["Body"].read() == b"1"
    s3.with_headers("PutObject", If_Match=etag).put_object(Bucket=s3.bucket, Key="k", Body=b"3")
    other = s3.with_headers("PutObject", If_Match=etag).put_object
    assert error(other, Bucket=s3.bucket, Key="k", Body=b"4") == (412, "PreconditionFailed")
    s3.client.delete_object(Bucket=s3.bucket, Key="k")
    new(Bucket=s3.bucket, Key="k", Body=b"5")


def test_of_many_who_put_at_once_one_gets_it(s3):
    outcomes, start = [], threading.Barrier(8)

    def put(i):
        new = s3.with_headers("PutObject", If_None_Match="*").put_object
        start.wait()
        try:
            new(Bucket=s3.bucket, Key="k", Body=str(i).encode())
            outcomes.append(i)
        except ClientError as e:
            assert e.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    threads = [threading.Thread(target=put, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [s3.client.get_object(Bucket=s3.bucket, Key="k")["Body"].read()] == [str(i).encode() for i in outcomes]


def test_an_upload_in_parts(s3):
    of_it = {"Bucket": s3.bucket, "Key": "large"}
    upload = s3.client.create_multipart_upload(**of_it)["UploadId"]
    bodies = [b"a" * (5 << 20), b"bc"]
    parts = [
        {"PartNumber": n, "ETag": s3.client.upload_part(UploadId=upload, PartNumber=n, Body=body, **of_it)["ETag"]}
        for n, body in enumerate(bodies, 1)
    ]
    assert [p["ETag"].strip('"') for p in parts] == [hashlib.md5(b).hexdigest() for b in bodies]
    assert [p["Size"] for p in s3.client.list_parts(UploadId=upload, **of_it)["Parts"]] == [5 << 20, 2]
    assert s3_server.keys(s3.client, s3.bucket) == []
    complete = s3.client.complete_multipart_upload
    assert error(complete, UploadId=upload, MultipartUpload={"Parts": parts[::-1]}, **of_it) == (400, "InvalidPartOrder")
    wrong = [dict(parts[0], ETag='"' + "0" * 32 + '"'), parts[1]]
    assert error(complete, UploadId=upload, MultipartUpload={"Parts": wrong}, **of_it) == (400, "InvalidPart")
    done = complete(UploadId=upload, MultipartUpload={"Parts": parts}, **of_it)
    want = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest() + "-2"
    head = s3.client.head_object(**of_it)
    assert (done["ETag"], head["ETag"], head["ContentLength"]) == (f'"{want}"', f'"{want}"', (5 << 20) + 2)
    assert error(s3.client.upload_part, UploadId=upload, PartNumber=3, Body=b"", **of_it) == (404, "NoSuchUpload")


def test_uploads_that_come_to_nothing(s3):
    of_it = {"Bucket": s3.bucket, "Key": "large"}
    upload = s3.client.create_multipart_upload(**of_it)["UploadId"]
    put = s3.client.upload_part
    parts = [{"PartNumber": n, "ETag": put(UploadId=upload, PartNumber=n, Body=b"x", **of_it)["ETag"]} for n in (1, 2)]
    small = error(s3.client.complete_multipart_upload, UploadId=upload, MultipartUpload={"Parts": parts}, **of_it)
    assert small == (400, "EntityTooSmall")
    assert [u["UploadId"] for u in s3.client.list_multipart_uploads(Bucket=s3.bucket, Prefix="large")["Uploads"]] == [upload]
    s3.client.abort_multipart_upload(UploadId=upload, **of_it)
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.bucket, Prefix="large")
    assert error(s3.client.list_parts, UploadId=upload, **of_it) == (404, "NoSuchUpload")
    assert error(s3.client.get_object, **of_it) == (404, "NoSuchKey")


def test_completing_only_where_nothing_is(s3):
    s3.put("k")
    upload = s3.client.create_multipart_upload(Bucket=s3.bucket, Key="k")["UploadId"]
    etag = s3.client.upload_part(Bucket=s3.bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    complete = s3.with_headers("CompleteMultipartUpload", If_None_Match="*").complete_multipart_upload
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    found = error(complete, Bucket=s3.bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert found == (412, "PreconditionFailed")
    s3.client.delete_object(Bucket=s3.bucket, Key="k")
    complete(Bucket=s3.bucket, Key="k", UploadId=upload, MultipartUpload=parts)


def test_a_key_that_is_too_long(s3):
    # Without a '/': of one that MinIO's file system has no name for it says that the request is invalid.
    status, _ = error(s3.put, key="k" * 1025)
    assert status == 400


def test_credentials_that_are_none(s3):
    account = getattr(s3.server, "account", s3.server)

    def listing(credentials):
        asked = s3_server.client(s3.server, s3.signature, credentials)
        return error(asked.list_objects, Bucket=s3.bucket)

    assert listing((account.access_key, "wrong", None)) == (403, "SignatureDoesNotMatch")
    assert listing(("AKNOBODY", account.secret_key, None)) == (403, "InvalidAccessKeyId")
    # 400 InvalidToken from Amazon, 403 InvalidTokenId from MinIO.
    assert listing((account.access_key, account.secret_key, "token"))[1] in ("InvalidToken", "InvalidTokenId")


def test_nobody(s3):
    where = urllib.parse.urlsplit(s3.server.endpoint).netloc
    for path in (f"/{s3.bucket}?list-type=2", f"/{s3.bucket}/k"):
        status, _, body = ask(where, "GET", path)
        assert status == 403 and b"<Code>AccessDenied</Code>" in body


# ---- requests that boto3 does not send ----


def ask(where, method, target, headers=(), body=b""):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(where, timeout=30)
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def signed(server, method, target, body=b"", headers=(), region=s3_server.REGION, host=None, signature="v4", change=None):
    """The same, signed; `change(headers)` is called on what was signed before it is sent."""
    account = getattr(server, "account", server)
    where = urllib.parse.urlsplit(server.endpoint).netloc
    request = AWSRequest(method=method, url=f"http://{host or where}{target}", data=body, headers=dict(headers))
    credentials = Credentials(account.access_key, account.secret_key, getattr(account, "token", None))
    if signature == "v4":
        S3SigV4Auth(credentials, "s3", region).add_auth(request)
    else:
        HmacV1Auth(credentials).add_auth(request)
    sent = {k: v for k, v in request.headers.items()} | {"Host": host or where}
    if change:
        change(sent)
    return ask(where, method, target, sent, body)


def code_of(body):
    return body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def test_v4_that_is_signed_wrongly(server):
    bucket = s3_server.new_bucket(server)
    put = ("PUT", f"/{bucket}/k")

    def refused(change=None, **more):
        status, _, body = signed(server, *put, body=b"x", change=change, **more)
        return status, code_of(body)

    assert signed(server, *put, body=b"x")[0] == 200
    digest = {"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()}
    # MinIO takes it.
    more = refused(lambda h: h.update({"X-Amz-Meta-More": "x"}))
    assert more == (403, "AccessDenied") or (more[0] == 200 and not isinstance(server, FakeS3))
    assert refused(lambda h: h.update(digest)) in [(400, "XAmzContentSHA256Mismatch"), (403, "SignatureDoesNotMatch")]
    assert refused(lambda h: h.update({"X-Amz-Date": "20200101T000000Z"}))[0] in (400, 403)
    assert refused(region="eu-west-3") == (400, "AuthorizationHeaderMalformed")
    status, _, body = signed(server, *put, body=b"x", region="eu-west-3")
    assert b"<Region>us-east-1</Region>" in body
    assert refused(lambda h: h.update({"Authorization": h["Authorization"][:-1] + "0 "}))[0] in (400, 403)


def test_v2_that_is_signed_wrongly(server):
    bucket = s3_server.new_bucket(server)
    get = ("GET", f"/{bucket}/")
    assert signed(server, *get, signature="v2")[0] == 200
    moved = {"Date": "Thu, 02 Jan 2020 00:00:00 GMT"}
    status, _, body = signed(server, *get, signature="v2", change=lambda h: h.update(moved))
    assert status == 403 and code_of(body) in ("RequestTimeTooSkewed", "SignatureDoesNotMatch")
    status, _, body = signed(server, *get, signature="v2", change=lambda h: h.update({"x-amz-meta-a": "b"}))
    assert (status, code_of(body)) == (403, "SignatureDoesNotMatch")


# ---- temporary credentials of a real server ----


@pytest.mark.parametrize("signature", ["v2", "v4"])
def test_temporary_credentials(minio, signature):
    bucket = s3_server.new_bucket(minio)
    key, secret, token = minio.temporary()

    def refused(*credentials, call="list_objects", **more):
        return error(getattr(s3_server.client(minio, signature, credentials), call), Bucket=bucket, **more)

    s3_server.client(minio, signature, (key, secret, token)).list_objects(Bucket=bucket)
    assert refused(key, secret, None)[0] == 403
    assert refused(key, secret, token[:-8] + "AAAAAAAA")[0] in (400, 403)
    assert refused(key, "wrong", token) == (403, "SignatureDoesNotMatch")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::*"]}]}'
    assert refused(*minio.temporary(policy)) == (403, "AccessDenied")


def test_a_server_that_stops_answers_again(minio):
    bucket = s3_server.new_bucket(minio)
    asked = s3_server.client(minio)
    asked.put_object(Bucket=bucket, Key="k", Body=b"x")
    minio.kill()
    with pytest.raises(Exception, match="connect|Connection"):
        asked.list_objects(Bucket=bucket)
    minio.start()
    assert s3_server.keys(asked, bucket) == ["k"]


# ---- switches of the fake ----


def test_a_server_that_takes_one_signature():
    for takes, refused in (("v4", "v2"), ("v2", "v4")):
        with FakeS3(takes=[takes]) as fake:
            bucket = s3_server.new_bucket(fake) if takes == "v4" else fake.make("bucket-1") and "bucket-1"
            s3_server.client(fake, takes).list_objects(Bucket=bucket)
            assert error(s3_server.client(fake, refused).list_objects, Bucket=bucket) == (400, "InvalidRequest")


def test_a_server_that_ignores_conditions():
    with FakeS3(conditions=False) as fake:
        s3 = Asked(fake, "v4")
        new = s3.with_headers("PutObject", If_None_Match="*").put_object
        for body in (b"1", b"2"):
            new(Bucket=s3.bucket, Key="k", Body=body)
        assert s3.client.get_object(Bucket=s3.bucket, Key="k")["Body"].read() == b"2"


def test_credentials_that_have_expired_or_may_not():
    expired = Account("AKOLD", "secret", token="token", expired=True)
    reader = Account("AKREADER", "secret", may={"get"})
    ours = Account("AKOURS", "secret", token="session")
    with FakeS3([ours, expired, reader]) as fake:
        fake.put("bucket-1", "k", b"x")
        for signature in ("v2", "v4"):
            asked = s3_server.client(fake, signature, ("AKOLD", "secret", "token"))
            assert error(asked.list_objects, Bucket="bucket-1") == (400, "ExpiredToken")
            asked = s3_server.client(fake, signature, ("AKREADER", "secret", None))
            assert error(asked.list_objects, Bucket="bucket-1") == (403, "AccessDenied")
            assert asked.get_object(Bucket="bucket-1", Key="k")["Body"].read() == b"x"
            assert s3_server.keys(s3_server.client(fake, signature), "bucket-1") == ["k"]


def test_a_server_of_another_region():
    with FakeS3(home="eu-central-1") as fake:
        fake.put("bucket-1", "k", b"x")
        status, headers, body = signed(fake, "GET", "/bucket-1/k")
        assert (status, code_of(body)) == (400, "AuthorizationHeaderMalformed")
        assert headers["x-amz-bucket-region"] == "eu-central-1" and b"<Region>eu-central-1</Region>" in body
        assert signed(fake, "GET", "/bucket-1/k", region="eu-central-1")[2] == b"x"


def test_a_server_whose_clock_is_ahead(fake):
    fake.put("bucket-1", "k", b"x")
    fake.skew = timedelta(minutes=20)
    for signature in ("v2", "v4"):
        status, headers, body = signed(fake, "GET", "/bucket-1/k", signature=signature)
        assert (status, code_of(body)) == (403, "RequestTimeTooSkewed")
        assert "date" in headers
    fake.skew = timedelta(minutes=10)
    assert signed(fake, "GET", "/bucket-1/k")[0] == 200


def test_buckets_as_names_of_hosts():
    with FakeS3(virtual_host="s3.test") as fake:
        fake.put("bucket-1", "a/k b", b"x")
        host = f"bucket-1.s3.test:{fake.port}"
        assert signed(fake, "GET", "/a/k%20b", host=host)[2] == b"x"
        assert b"<Key>a/k b</Key>" in signed(fake, "GET", "/?list-type=2", host=host)[2]
        # What V2 signs begins with the bucket all the same.
        account = fake.account
        request = AWSRequest(method="GET", url=f"http://{host}/a/k%20b", auth_path="/bucket-1/a/k%20b")
        HmacV1Auth(Credentials(account.access_key, account.secret_key)).add_auth(request)
        where = f"127.0.0.1:{fake.port}"
        assert ask(where, "GET", "/a/k%20b", dict(request.headers.items()) | {"Host": host})[2] == b"x"
        assert signed(fake, "GET", "/bucket-1/a/k%20b")[2] == b"x"


def test_a_key_that_is_a_directory_too(fake):
    for key in ("a", "a/", "a/b", "a//b", "/a"):
        fake.put("bucket-1", key, key.encode())
    asked = s3_server.client(fake)
    assert s3_server.keys(asked, "bucket-1") == ["/a", "a", "a/", "a//b", "a/b"]
    assert names_of(asked.list_objects_v2(Bucket="bucket-1", Delimiter="/")) == ["/", "a", "a/"]
    assert names_of(asked.list_objects_v2(Bucket="bucket-1", Delimiter="/", Prefix="a/")) == ["a/", "a//", "a/b"]
    for target, want in (("/bucket-1//a", b"/a"), ("/bucket-1/a/", b"a/"), ("/bucket-1/a//b", b"a//b")):
        assert signed(fake, "GET", target)[2] == want


# ---- faults ----


def test_every_vector_of_amazon():
    """The examples of the documentation, with its keys and its results."""
    from s3_sign import Signed, canonical_request, sign_v2, sign_v4, string_to_sign_v2, resource_v2

    # "Signature Calculations for the Authorization Header", GET Object.
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": empty,
        "x-amz-date": "20130524T000000Z",
    }
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    scope = "20130524/us-east-1/s3/aws4_request"

    def v4(method, path, query, headers):
        request = Signed(method, path, query, headers, b"")
        canonical = hashlib.sha256(canonical_request(request, sorted(headers)).encode()).hexdigest()
        return sign_v4(secret, scope, f"AWS4-HMAC-SHA256\n20130524T000000Z\n{scope}\n{canonical}")

    assert v4("GET", "/test.txt", "", headers) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    del headers["range"]
    # GET Bucket (List Objects).
    assert (
        v4("GET", "/", "max-keys=2&prefix=J", headers) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
    # GET Bucket Lifecycle: a name without a value.
    assert v4("GET", "/", "lifecycle", headers) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    # "Signing and authenticating REST requests": Object GET, by the name of a host.
    headers = {"host": "awsexamplebucket1.us-west-1.s3.amazonaws.com", "date": "Tue, 27 Mar 2007 19:36:42 +0000"}
    request = Signed("GET", "/photos/puppy.jpg", "", headers, b"", "awsexamplebucket1")
    assert sign_v2(secret, string_to_sign_v2(request, resource_v2(request))) == "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="


def test_faults_are_what_their_seed_says():
    def schedule(seed, rate, order):
        faults = Faults(seed, rate)
        found = {}
        for operation, target in order:
            found.setdefault((operation, target), []).append(faults.of(operation, target))
        return found

    calls = [(operation, f"k{i}") for operation in ("get", "list", "put") for i in range(40) for _ in range(5)]
    shuffled = random.Random(1).sample(calls, len(calls))
    once = schedule(7, 0.5, calls)
    assert once == schedule(7, 0.5, shuffled) != schedule(8, 0.5, calls)
    for rate, least, most in ((0, 0, 0), (0.1, 30, 95), (0.5, 250, 350), (1, 600, 600)):
        hit = [kind for found in schedule(7, rate, calls).values() for kind in found if kind]
        assert least <= len(hit) <= most
    for (operation, _), found in schedule(7, 1, calls).items():
        assert all(KINDS[kind] is None or operation in KINDS[kind] for kind in found)
    assert {kind for found in schedule(7, 1, calls).values() for kind in found} == set(KINDS)


ANSWERED = {"internal": (500, "InternalError"), "slow_down": (503, "SlowDown"), "too_many": (429, "TooManyRequests"), "gateway": (502, "")}


@pytest.mark.parametrize("kind", [kind for kind, operations in KINDS.items() if operations is None])
def test_a_call_that_is_not_answered_as_it_should_be(fake, kind):
    fake.put("bucket-1", "k", b"old")
    fake.faults = Faults(1, 1.0, [kind])
    for method, target in (("GET", "/bucket-1/k"), ("GET", "/bucket-1?list-type=2"), ("PUT", "/bucket-1/k")):
        if kind in ANSWERED:
            status, _, body = signed(fake, method, target, b"new" if method == "PUT" else b"")
            assert (status, code_of(body)) == ANSWERED[kind]
        elif kind == "hang":
            assert hangs(fake, method, target)
        else:
            with pytest.raises(ConnectionResetError):
                signed(fake, method, target, b"new" if method == "PUT" else b"")
    assert fake.buckets["bucket-1"].objects["k"].body == (b"new" if kind == "lost" else b"old")
    assert [call.fault for call in fake.calls] == [kind] * 3
    # The server is well.
    fake.faults = Faults()
    assert signed(fake, "GET", "/bucket-1/k")[0] == 200


def hangs(fake, method, target):
    """Nothing comes, for as long as one looks; and the server lets go when its client does."""
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=0.2)
    try:
        connection.request(method, target)
        with pytest.raises(TimeoutError):
            connection.getresponse()
    finally:
        connection.close()
    return True


def a_body(fake, kind, target="/bucket-1/k", headers=()):
    """What comes of a body that breaks off: (status, headers, bytes, how it ends)."""
    fake.faults = Faults(1, 1.0, [kind])
    request = AWSRequest(method="GET", url=f"{fake.endpoint}{target}", headers=dict(headers))
    S3SigV4Auth(Credentials(fake.account.access_key, fake.account.secret_key), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=0.5)
    connection.request("GET", target, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    got, end = b"", None
    try:
        while True:
            some = answer.read1(65536)
            if not some:
                break
            got += some
    except (ConnectionResetError, TimeoutError) as e:
        end = type(e)
    connection.close()
    return answer, got, end


BIG = random.Random(3).randbytes(300_000)


def test_bodies_that_break_off(fake):
    fake.put("bucket-1", "k", BIG)
    answer, got, end = a_body(fake, "short")
    assert (int(answer.getheader("Content-Length")), got, end) == (300_000, BIG[:150_000], None)
    answer, got, end = a_body(fake, "stall")
    assert (int(answer.getheader("Content-Length")), got, end) == (300_000, BIG[:150_000], TimeoutError)
    answer, got, end = a_body(fake, "reset_body")
    assert int(answer.getheader("Content-Length")) == 300_000
    assert BIG[:150_000].startswith(got) and end is ConnectionResetError
    answer, got, end = a_body(fake, "cut")
    assert (int(answer.getheader("Content-Length")), got, end) == (150_000, BIG[:150_000], None)
    listing = a_body(fake, "cut", "/bucket-1?list-type=2")[1]
    assert listing.startswith(b"<?xml") and b"</ListBucketResult>" not in listing


def test_bodies_that_are_others(fake):
    fake.put("bucket-1", "k", BIG)
    md5 = hashlib.md5(BIG).hexdigest()
    for kind in ("flipped", "changed", "other_etag"):
        answer, got, _ = a_body(fake, kind)
        assert len(got) == len(BIG) and (got == BIG) == (kind == "other_etag")
        assert sum(a != b for a, b in zip(got, BIG)) == (kind != "other_etag")
        assert (answer.getheader("ETag") == f'"{md5}"') == (kind == "flipped")
        assert (answer.getheader("ETag") == f'"{hashlib.md5(got).hexdigest()}"') == (kind == "changed")
    answer, got, _ = a_body(fake, "whole", headers={"Range": "bytes=5-9"})
    assert (answer.status, got) == (200, BIG)
    fake.faults = Faults()
    assert signed(fake, "GET", "/bucket-1/k", headers={"Range": "bytes=5-9"})[2] == BIG[5:10]


@pytest.mark.parametrize("signature", ["v2", "v4"])
def test_listings_that_are_wrong(fake, signature):
    for i in range(10):
        fake.put("bucket-1", f"k{i}", b"x")
    asked = s3_server.client(fake, signature)

    def listing(kind, rate=1.0, **more):
        fake.faults = Faults(1, rate, [kind])
        return asked.list_objects_v2(Bucket="bucket-1", **more)

    whole = [f"k{i}" for i in range(10)]
    assert [k["Key"] for k in listing("reordered")["Contents"]] == whole[::-1]
    assert [k["Key"] for k in listing("duplicated")["Contents"]] == [k for k in whole for _ in range(2)]
    assert [p["Prefix"] for p in listing("own_prefix", Prefix="k")["CommonPrefixes"]] == ["k"]
    stale = listing("stale").get("Contents", [])
    assert [k["Key"] for k in stale] == whole[: len(stale)] and len(stale) < 10
    page = listing("no_token")
    assert page["IsTruncated"] and "NextContinuationToken" not in page
    page = listing("endless", MaxKeys=4)
    for _ in range(3):  # without further faults, too
        page = listing("endless", rate=0, MaxKeys=4, ContinuationToken=page["NextContinuationToken"])
        assert page["IsTruncated"] and [k["Key"] for k in page["Contents"]] == whole[:4]
    fake.faults = Faults(1, 1.0, ["no_xml"])
    assert b"<html>" in signed(fake, "GET", "/bucket-1/?list-type=2", signature=signature)[2]
    fake.faults = Faults(1, 1.0, ["huge"])
    assert len(signed(fake, "GET", "/bucket-1/?list-type=2", signature=signature)[2]) > 64 << 20


def test_calls_are_counted_and_logged_without_credentials(tmp_path):
    with FakeS3(log=tmp_path / "log") as fake:
        s3 = Asked(fake, "v4")
        s3.put("k", b"x")
        s3.client.get_object(Bucket=s3.bucket, Key="k")
        assert fake.count() == {"make_bucket": 1, "put": 1, "get": 1} and fake.count("get") == 1
        # A call is written down when it is over, which may be after its answer.
        eventually(lambda: (tmp_path / "log").read_text().count("\n") == 3, "the log")
        text = (tmp_path / "log").read_text()
        assert f"get {s3.bucket}/k" in text
        assert fake.account.secret_key not in text and fake.account.access_key not in text
        assert len(fake.forget()) == 3 and fake.count() == {}


def test_connections_are_kept(fake):
    fake.put("bucket-1", "k", b"x")
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=30)
    connection.connect()
    before = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/bucket-1/k")
        assert (connection.getresponse().read().count(b"AccessDenied"), connection.sock.getsockname()) == (1, before)
    connection.close()
