"""Where outputs are pushed to: an address that is the same from everywhere, over a line that nobody reads along."""

import configparser
import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project

SHARED, OWN = ".dvc/config", ".dvc/config.local"
SECRETS = {
    *("password", "passphrase", "token", "access_key_id", "secret_access_key", "session_token", "sse_customer_key"),
    *("sas_token", "account_key", "client_secret", "connection_string", "oss_key_id", "oss_key_secret", "gdrive_client_secret"),
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def remotes(project: Project) -> Outcome:
    """Whether every remote of the project is absolute and encrypted, and git holds no password of it."""
    findings: list[Finding] = []
    count = 0
    for name in (SHARED, OWN):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        config.read(project.root / name)
        for section in config.sections():
            if remote := re.fullmatch(r"""['"]?remote\s+"(.+)"['"]?""", section):
                count += 1
                findings += _judge(name, remote[1], dict(config[section]))
    if OWN in project.tracked:
        findings.append(Finding(OWN, "that git ignores it", "that git tracks it", f"git rm --cached {OWN}, and new passwords"))
    return Outcome(findings, note=f"{count} set" if count else "none set: nothing leaves this machine")


def _judge(file: str, remote: str, settings: dict[str, str]) -> Iterator[Finding]:
    """What is wrong with one remote. Values are not named: they may be secret."""
    where, url = f"{file}: remote {remote}", settings.get("url", "")
    if url and "://" not in url and not PurePosixPath(url).is_absolute() and not PureWindowsPath(url).is_absolute():
        remedy = f"dvc remote modify {remote} url with the whole path: dvc exp push takes this one from the root of the disk"
        yield Finding(where, "an absolute path, or a URL", "a relative path", remedy)
    for key in ("url", "endpointurl"):
        if _in_the_clear(settings.get(key, "")):
            yield Finding(where, f"an encrypted {key}", "plain http", f"dvc remote modify {remote} {key} with https://")
    for key in ("use_ssl", "ssl_verify"):
        if settings.get(key, "").lower() == "false" and not _local(settings.get("endpointurl", "")):
            yield Finding(where, f"{key} = true", "false", f"dvc remote modify --unset {remote} {key}")
    secret = sorted(SECRETS & settings.keys()) + (["url"] if urlsplit(url).password else [])
    if file == SHARED and secret:
        remedy = f"dvc remote modify --local {remote} ..., --unset it here, and change it: git's history holds it"
        yield Finding(where, "no password in a file that git tracks", f"one in {', '.join(secret)}", remedy)


def _in_the_clear(url: str) -> bool:
    return url.lower().startswith("http://") and not _local(url)


def _local(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK
