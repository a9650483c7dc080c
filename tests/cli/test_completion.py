"""`cognito-guard completion`: scripts that a real shell takes."""

from __future__ import annotations

import subprocess

import pytest


def test_bash_completes_commands_and_options(cli):
    """The script is loaded by bash itself, and completes what was begun."""
    ran = cli("completion", "bash")
    assert ran.status == 0
    asked = (
        "COMP_WORDS=(cognito-guard ver); COMP_CWORD=1; _shtab_cognito_guard cognito-guard ver cognito-guard\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    shell = subprocess.run(["bash"], input=ran.out + asked, capture_output=True, text=True, check=False, timeout=20)
    assert (shell.stdout.split(), shell.stderr) == (["verify"], "")


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells(cli, shell):
    """Each has its own form, and names the commands."""
    ran = cli("completion", shell)
    assert ran.status == 0
    assert all(command in ran.out for command in ("proxy", "check", "verify", "explain"))


def test_mistakes_are_told(cli):
    """No shell, or one that is not served."""
    for words in ((), ("fish",)):
        ran = cli("completion", *words)
        assert (ran.status, ran.out) == (2, "")
        assert "cognito-guard completion: SHELL: write one of bash, zsh, tcsh" in ran.err
