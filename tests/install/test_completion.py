# SPDX-License-Identifier: Apache-2.0
"""A line that is typed in a real bash and a real zsh, and a TAB."""

import os
import re

import pexpect
import pytest

READY = "ready> "
SHELLS = {
    "bash": (
        ["/usr/bin/bash", "--norc", "--noprofile", "-i"],
        "bind 'set enable-bracketed-paste off'; . /usr/share/bash-completion/bash_completion; "
        ". {prefix}/share/bash-completion/completions/freshet",
    ),
    "zsh": (
        ["/usr/bin/zsh", "-f", "-i"],
        f"PROMPT='{READY}'; bindkey -e; fpath=({{prefix}}/share/zsh/site-functions $fpath); autoload -Uz compinit; "
        "compinit -D -u; setopt no_auto_remove_slash",
    ),
}

CASES = [
    ("freshet ver", ["verify"]),
    ("freshet build --merge", ["build", "--merge-only"]),
    ("freshet build --stat", ["build", "--state"]),
    ("freshet mount -o refresh=e", ["mount", "-o", "refresh=eager"]),
    ("freshet mount -o poll=1s,refresh=m", ["mount", "-o", "poll=1s,refresh=manual"]),
    ("freshet mount -f -o feed_t", ["mount", "-f", "-o", "feed_timeout="]),
    ("freshet mount -o allow_o", ["mount", "-o", "allow_other"]),
    ("freshet mount -o set=lag.policy=re", ["mount", "-o", "set=lag.policy=replay"]),
    ("freshet mount -o poll=1s,config=dir/fre", ["mount", "-o", "poll=1s,config=dir/freshet.ini"]),
    ("freshet build --set lag.pol", ["build", "--set", "lag.policy="]),
    ("freshet build --set lag.policy=rep", ["build", "--set", "lag.policy=replay"]),
    ("freshet build --set=lag.policy=rep", ["build", "--set=lag.policy=replay"]),
    ("freshet status --config=dir/fre", ["status", "--config=dir/freshet.ini"]),
    ("freshet verify --level st", ["verify", "--level", "structure"]),
    ("freshet verify dir/f", ["verify", "dir/freshet.ini"]),
    ("freshet rollback --state dir/state 12", ["rollback", "--state", "dir/state", "123"]),
    ("freshet mount di", ["mount", "dir/"]),
    ("freshet mount --fol", ["mount", "--follow"]),
    ("freshet publish --ta", ["publish", "--take-over"]),
    ("freshet publish di", ["publish", "dir/"]),
    ("freshet follow di", ["follow", "dir/"]),
    ("freshet mount --state dir/with", ["mount", "--state", "dir/with blank/"]),
    ("freshet query espresso di", ["query", "espresso", "dir/"]),
    ("freshet query di", ["query", "di"]),  # an expression, not a path
    ("freshet nothing --st", ["nothing", "--st"]),
]


class Shell:
    def __init__(self, name, prefix, cwd):
        command, setup = SHELLS[name]
        env = {"PATH": f"{prefix}/bin:{os.defpath}", "HOME": str(cwd), "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": READY}
        self.child = pexpect.spawn(
            command[0], command[1:], env=env, cwd=str(cwd), encoding="utf-8", timeout=60, dimensions=(50, 300)
        )
        self.child.delaybeforesend = None
        self.child.expect_exact(READY)
        self.child.sendline(setup.format(prefix=prefix))
        self.child.expect_exact(READY)

    def completed(self, line):
        """The words of the line after a TAB: it is made the arguments of printf, and run."""
        self.child.send(f"{line}\t\x01printf '<%s>\\n' \x05\r")
        self.child.expect(r"\n((?:<.*>\r\n)+)[^<]*" + READY)
        return re.findall(r"<(.*)>", self.child.match[1])

    def close(self):
        self.child.close(force=True)


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, installed, tmp_path_factory):
    cwd = tmp_path_factory.mktemp("shell")
    for directory in ("dir/state/generations", "dir/with blank"):
        (cwd / directory).mkdir(parents=True)
    for name in ("dir/freshet.ini", "dir/state/generations/9.json", "dir/state/generations/123.json"):
        (cwd / name).touch()
    made = Shell(request.param, installed.prefix, cwd)
    yield made
    made.close()


@pytest.mark.parametrize("line, words", CASES)
def test_a_tab_completes(shell, line, words):
    assert shell.completed(line) == ["freshet", *words]


def test_every_command_and_option_is_completed(shell, installed):
    for command in installed.commands():
        assert shell.completed(f"freshet {command}") == ["freshet", command]
        for option in re.findall(r"^ .*?--([\w-]+)", installed.help(command), re.M):
            assert shell.completed(f"freshet {command} --{option}") == ["freshet", command, f"--{option}"]
