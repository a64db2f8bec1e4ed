"""`cache: {shared: ...}`: what one clone has made on one machine comes back in another, by a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

import waiting
from cache_servers import NGINX_PATH, BuildGrid, Nginx, Server, StrictHandler, free_port, rude
from project import Project
from treadle import CacheError, Digest, HttpCache
from treadle.session.shared_cache import shared_of

pytest.importorskip("urllib3", exc_type=ImportError)

PLAN = """
treadle: 1
cache: {shared: "URL"}
defaults: {cache: true}
actions:
  file: {sh: 'echo file >> $LOG; echo said; cp ${in} ${out}', in: in, out: out/file, pass: [LOG]}
  empty: {sh: 'echo empty >> $LOG; : > ${out}', in: in, out: out/empty, pass: [LOG]}
  tree: {sh: 'echo tree >> $LOG; mkdir -p ${out}/x/no; cat ${in} > ${out}/x/y; ln -s x/y ${out}/l; chmod +x ${out}/x/y',
    in: out/file, out: tree/, pass: [LOG]}
  found: {sh: 'echo found >> $LOG; cat in hdr > ${out}; echo "${out}: hdr in" > ${depfile}', in: in, out: out/found,
    depfile: out/found.d, pass: [LOG]}
"""
ALL = ["empty", "file", "found", "tree"]


class Clones:
    """Clones of one project, each with a local cache of its own as on a machine of its own.

    :param url: of the shared cache
    """

    def __init__(self, folder: Path, url: str, plan: str = PLAN) -> None:
        self.folder = folder
        self.url = url
        self.plan = plan.replace("URL", url)

    def clone(self, name: str, text: str = "1\n", **environ: str) -> Project:
        """Return a new clone."""
        project = Project(self.folder / name)
        project.environ["TREADLE_CACHE_DIR"] = str(self.folder / f"{name}.store")
        project.environ.pop("TREADLE_CACHE", None)
        project.environ.update(environ)
        project.write("plan", self.plan)
        project.write("in", text)
        project.write("hdr", "h\n")
        return project


@pytest.fixture
def clones(nginx: Nginx, tmp_path: Path) -> Clones:
    return Clones(tmp_path, nginx.url())


def outputs(project: Project) -> dict[str, str]:
    """Return path -> what is there, of all outputs."""
    found = {}
    for top in ("out", "tree"):
        for path in sorted((project.folder / top).rglob("*")):
            name = path.relative_to(project.folder).as_posix()
            if name == "out/found.d":
                continue
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = f"{path.stat().st_mode & 0o777:o} {path.read_text()}"
            else:
                found[name] = "folder"
    return found


def test_two_clones_share_outputs_over_a_server(clones: Clones, nginx: Nginx) -> None:
    """W1, W2, F3: files, folders, links, the empty blob, logs and what a depfile has named."""
    first = clones.clone("first")
    assert first.run("--cache=write") == ALL
    second = clones.clone("second with another length")
    done = second.treadle("run")
    assert done.code == 0
    assert second.starts() == []
    assert outputs(second) == outputs(first)
    assert "restored file (shared)" in done.out
    assert "restored from the shared cache: made by run " in second.treadle("why", "file").out
    assert "nothing to do" in second.treadle("run").text
    assert not any("e3b0c44298fc1c149afbf4c8996fb924" in path for path in nginx.requests()), "W5"


def test_what_a_server_has_returned_is_stored_here_too(clones: Clones, nginx: Nginx) -> None:
    """F7: a hit fills the caches before it, path sets too."""
    clones.clone("first").run("--cache=write")
    second = clones.clone("second")
    assert second.run() == []
    before = outputs(second)
    nginx.empty()
    for name in (".treadle", "out", "tree"):
        shutil.rmtree(second.folder / name)
    done = second.treadle("run")
    assert second.starts() == []
    assert "restored file (local)" in done.out
    assert outputs(second) == before


FORGED = PLAN.replace("cp ${in} ${out}", 'cat ${in} > ${out}; printf "$EXTRA" >> ${out}').replace(
    "cat in hdr > ${out};", 'cat in hdr > ${out}; printf "$EXTRA" >> ${out};'
)
"""A plan whose outputs hold a variable that is not in their keys."""
FORGED = FORGED.replace("pass: [LOG]", "pass: [LOG, EXTRA]")


def forge(clones: Clones) -> None:
    """Have a server hold wrong outputs for the actions of a plan."""
    clones.plan = FORGED.replace("URL", clones.url)
    assert clones.clone("forger", EXTRA="forged").run("--cache=write") == ALL


@pytest.mark.parametrize("folder", ["user", "project"])
def test_what_the_server_of_a_plan_sends_is_found_by_no_other_project(
    clones: Clones, nginx: Nginx, folder: str
) -> None:
    """T5, T9: a checkout that names a hostile server, and has the actions of another project, is no way into that."""
    forge(clones)
    store = str(clones.folder / "user.store")
    clones.plan = clones.plan.replace("{shared:", f"{{local: {{folder: {folder}}}, shared:")
    checkout = clones.clone("checkout", TREADLE_CACHE_DIR=store, EXTRA="good")
    if folder == "project":
        del checkout.environ["TREADLE_CACHE_DIR"]
    assert checkout.run() == [], "it has what the server sends"
    assert checkout.read("out/file").endswith("forged")
    for number, cache in enumerate(["local", "{local: true}", f'{{shared: "{nginx.url("other")}"}}']):
        plan = re.sub("cache: {.*}\n", f"cache: {cache}\n", clones.plan, count=1)
        victim = clones.clone(f"victim{number}", TREADLE_CACHE_DIR=store, EXTRA="good")
        victim.write("plan", plan)
        # the others get what the first has made
        is_first = number == 0
        assert ("would be restored" not in victim.treadle("status").out) is is_first
        assert victim.treadle("cache", "explain", "file").code == is_first
        assert victim.run() == (ALL if is_first else [])
        assert victim.read("out/file").endswith("good")
        assert victim.read("out/found").endswith("good")
    victim = clones.clone("by option", TREADLE_CACHE_DIR=store, EXTRA="good", TREADLE_CACHE="local")
    assert victim.run() == []
    assert victim.read("out/file").endswith("good"), "`local` is what this machine has made"


def test_what_the_server_of_a_plan_has_sent_is_found_by_plans_that_name_it(clones: Clones, nginx: Nginx) -> None:
    """F7: also without the server; and what the environment names is found by all."""
    forge(clones)
    store = str(clones.folder / "user.store")
    assert clones.clone("first", TREADLE_CACHE_DIR=store).run() == []
    nginx.empty()
    again = clones.clone("again", TREADLE_CACHE_DIR=store)
    assert "would be restored file" in again.treadle("status").out
    assert again.run() == []
    assert again.read("out/found").endswith("forged")
    assert again.treadle("cache", "explain", "found").code == 0


@pytest.mark.parametrize("how", ["TREADLE_CACHE_URL", "TREADLE_CACHE_SIGNING_KEY"])
def test_what_the_user_believes_is_found_by_all_projects(clones: Clones, nginx: Nginx, how: str) -> None:
    """F7: a server of the environment, and entries that are signed with the key of the environment."""
    environ = {how: nginx.url() if how.endswith("URL") else "k" * 32}
    store = str(clones.folder / "user.store")
    assert clones.clone("first", **environ).run("--cache=write") == ALL
    second = clones.clone("second", TREADLE_CACHE_DIR=store, **environ)
    assert second.run() == []
    other = clones.clone("other", TREADLE_CACHE_DIR=store)
    other.write("plan", re.sub("cache: {.*}\n", "cache: local\n", clones.plan, count=1))
    assert other.run() == []
    assert outputs(other) == outputs(second)


def test_a_plan_grants_no_writing(clones: Clones, nginx: Nginx) -> None:
    """T9, case 42: what is only read gets no PUT."""
    clones.clone("first").run()
    assert nginx.requests()
    assert not [one for one in nginx.requests() if one.startswith("PUT")]
    assert os.listdir(nginx.data("").parent / "data") == []


def test_a_strict_server_serves_as_well(tmp_path: Path) -> None:
    """W1, W4: all below `ac` is an entry, blobs fit their names, and entries are encoded anew."""
    with closing(Server()) as server:
        clones = Clones(tmp_path, server.url)
        first = clones.clone("first")
        assert first.run("--cache=write") == ALL
        second = clones.clone("second")
        assert second.run() == []
        assert outputs(second) == outputs(first)
        assert {method for method, _, _ in server.requests} == {"GET", "PUT"}


@pytest.mark.parametrize("how", ["refused", "silent", "fails"])
def test_a_dead_server_costs_one_line_and_a_moment(tmp_path: Path, how: str) -> None:
    """T1, case 34, case 35: at most one time limit and a second, whatever the number of actions."""

    def reply(one: StrictHandler, _: str, __: bytes) -> None:
        if how == "silent":
            one.server_of_test.goes_on.wait()
        one.reply(503)

    with closing(Server(rude(reply), always=True)) as server:
        url = f"http://127.0.0.1:{free_port()}" if how == "refused" else server.url
        plan = "treadle: 1\ncache: {shared: 'URL'}\nactions:\n  a:\n    foreach: {n: NAMES}\n"
        plan += "    sh: 'cat ${in} > ${out}'\n    in: in\n    out: o/${n}\n    cache: true\n"
        names = f"[{', '.join(map(str, range(100)))}]"
        project = Clones(tmp_path, url, plan.replace("NAMES", names)).clone("one")
        began = monotonic()
        assert project.treadle("run", "--cache=local", "--force").code == 0
        usual = monotonic() - began
        project.write("in", "2\n")
        began = monotonic()
        done = project.treadle("run")
        took = monotonic() - began
        assert done.code == 0
        assert done.text.count("the shared cache") == 1, done.text
        assert "100 run" in done.text
        assert took < 3 * usual + 8
        assert len(server.requests) <= 16


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    damaged = {"flipped": bytes([data[-1] ^ 1]) + data[1:], "cut": data[:-1], "empty": b"", "longer": data + b"x"}
    if how == "gone":
        path.unlink()
    else:
        # a file of nginx
        path.write_bytes(damaged[how] if len(data) > 1 or how != "flipped" else b"\xff")


@pytest.mark.parametrize("kind", ["ac", "cas"])
@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "longer", "gone"])
def test_what_is_damaged_on_a_server_is_a_miss(clones: Clones, nginx: Nginx, kind: str, how: str) -> None:
    """Case 37 to case 39, T2, T3: the action runs, the outputs are right, and nothing half is there."""
    first = clones.clone("first")
    first.run("--cache=write")
    for path in (nginx.data() / kind).iterdir():
        damage(path, how)
    second = clones.clone("second")
    done = second.treadle("run")
    assert done.code == 0
    assert outputs(second) == outputs(first)
    assert second.starts()
    assert done.text.count("the shared cache") <= 2, done.text
    assert not (second.folder / ".treadle/restore").exists()


def test_namespaces_are_read_in_their_order_and_the_first_is_written_to(clones: Clones, nginx: Nginx) -> None:
    """T10, K1."""
    main = {"TREADLE_CACHE_NAMESPACE": "main"}
    pull = {"TREADLE_CACHE_NAMESPACE": "pr-7,main"}
    other = {"TREADLE_CACHE_NAMESPACE": "pr-8"}
    assert clones.clone("a", **main).run("--cache=write") == ALL
    assert clones.clone("b", **pull).run() == []
    assert clones.clone("c", **other).run() == ALL
    assert clones.clone("d", "2\n", **pull).run("--cache=write") == ALL
    assert clones.clone("e", "2\n", **main).run() == ALL
    assert clones.clone("f", "2\n", **pull).run() == []
    clones.plan = clones.plan.replace("cache: {", "cache: {namespaces: [pr-7, main], ")
    assert clones.clone("g", "2\n").run() == []
    assert clones.clone("h", "2\n", **other).run() == ALL
    assert (
        "TREADLE_CACHE_NAMESPACE has 'a b'" in clones.clone("i").treadle("run", TREADLE_CACHE_NAMESPACE="a b").err
    )


def test_only_what_is_signed_with_the_key_counts(clones: Clones, nginx: Nginx) -> None:
    """T5, T10: an untrusted job gets no key."""
    key, other = {"TREADLE_CACHE_SIGNING_KEY": "k" * 32}, {"TREADLE_CACHE_SIGNING_KEY": "o" * 32}
    clones.clone("untrusted").run("--cache=write")
    second = clones.clone("second")
    done = second.treadle("run", **key)
    assert sorted(second.starts()) == ALL
    assert done.text.count("is not signed with your key") == 1, done.text
    nginx.empty()
    assert clones.clone("third", **key).run("--cache=write") == ALL
    assert clones.clone("fourth", **key).run() == []
    assert clones.clone("fifth", **other).run() == ALL
    assert (
        "has 5 bytes: expected 32 or more"
        in clones.clone("x").treadle("run", TREADLE_CACHE_SIGNING_KEY="short").err
    )


@pytest.mark.parametrize("how", ["unsigned", "another key", "forged", "garbage", "too long", "empty"])
def test_what_a_signer_cannot_verify_is_replaced_once(clones: Clones, nginx: Nginx, how: str) -> None:
    """T5: what another user could put there first would keep a team from sharing for ever."""
    key = {"TREADLE_CACHE_SIGNING_KEY": "k" * 32, "EXTRA": "good"}
    if how == "forged":
        forge(clones)
    else:
        given = {"TREADLE_CACHE_SIGNING_KEY": "o" * 32} if how == "another key" else {}
        clones.clone("untrusted", **given).run("--cache=write")
    for path in (nginx.data() / "ac").iterdir():
        if how in ("garbage", "too long", "empty"):
            path.write_bytes(b"" if how == "empty" else b"\xff" * (100 if how == "garbage" else 5 << 20))
    os.truncate(nginx.folder / "access.log", 0)
    team = clones.clone("team", **key)
    done = team.treadle("run", "--cache=write")
    assert sorted(team.starts()) == ALL
    assert "not reproducible" not in done.text
    put = [one for one in nginx.requests() if one.startswith("PUT") and "/ac/" in one]
    assert len(put) == len(set(put)) >= 4
    assert clones.clone("other", **key).run() == []
    # and it stays: what can be verified is not sent again
    os.truncate(nginx.folder / "access.log", 0)
    assert team.run("--force", "--cache=write") == ALL
    assert not [one for one in nginx.requests() if one.startswith("PUT") and "/ac/" in one]


def test_what_is_signed_is_not_replaced_by_what_is_not(clones: Clones, nginx: Nginx) -> None:
    """T5: they would replace each other in each run."""
    key = {"TREADLE_CACHE_SIGNING_KEY": "k" * 32}
    assert clones.clone("team", **key).run("--cache=write") == ALL
    other = clones.clone("other")
    done = other.treadle("run", "--cache=write")
    assert sorted(other.starts()) == ALL
    assert done.text.count("it is signed, and you have no key") == 1, done.text
    assert clones.clone("again", **key).run() == []


def test_what_is_there_with_another_content_is_not_replaced(clones: Clones, nginx: Nginx) -> None:
    """T12: one line says which outputs differ."""
    clones.plan = clones.plan.replace("cp ${in} ${out}'", "cp ${in} ${out}; date +%s%N >> ${out}'")
    clones.clone("first").run("--cache=write")
    before = {path.name: path.read_bytes() for path in (nginx.data() / "ac").iterdir()}
    done = clones.clone("second").treadle("run", "--cache=write", "--force")
    assert done.text.count("is not reproducible") == 1
    assert "file is not reproducible: of the same inputs run " in done.text
    assert "has made another out/file, which stays in the shared cache" in done.text
    now = {path.name: path.read_bytes() for path in (nginx.data() / "ac").iterdir()}
    assert {name: now[name] for name in before} == before


def test_an_entry_whose_blobs_are_gone_is_replaced(clones: Clones, nginx: Nginx) -> None:
    """T12: nothing could ever be restored of it."""
    clones.plan = clones.plan.replace("cp ${in} ${out}'", "cp ${in} ${out}; date +%s%N >> ${out}'")
    clones.clone("first").run("--cache=write")
    shutil.rmtree(nginx.data() / "cas")
    done = clones.clone("second").treadle("run", "--cache=write", "--force")
    assert "is not reproducible" not in done.text
    assert "file" not in clones.clone("third").run()


def test_what_holds_the_path_of_its_folder_stays_here(clones: Clones, nginx: Nginx) -> None:
    """K6: nothing of it is sent."""
    clones.plan = "treadle: 1\ncache: {shared: 'URL'}\nactions:\n  a: {sh: 'echo a >> $LOG; pwd > ${out}', in: in, out: o, cache: true, pass: [LOG]}\n".replace(
        "URL", clones.url
    )
    first = clones.clone("first")
    done = first.treadle("run", "--cache=write")
    assert "o holds the path of this folder" in done.text
    assert not [one for one in nginx.requests() if one.startswith("PUT")]
    first.write("in", "2\n")
    first.run()
    first.write("in", "1\n")
    assert first.run() == []


def test_a_log_with_the_path_of_the_folder_stays_here(clones: Clones, nginx: Nginx) -> None:
    """K6: outputs are sent without it. In the folder itself, and in a clone on this machine, it comes back."""
    said = {
        "path": "echo at $PWD",
        "link": "echo at $(pwd -P)/x",
        "none": "echo said",
        "alike": "cat in; echo $PWD/x >&2",
    }
    actions = "".join(
        f"  {name}: {{sh: '{text}; cp ${{in}} ${{out}}', in: in, out: o/{name}, cache: true}}\n"
        for name, text in said.items()
    )
    clones.plan = f"treadle: 1\ncache: {{shared: '{clones.url}'}}\nactions:\n{actions}"
    real = clones.folder / "real"
    real.mkdir()
    clones.folder = clones.folder / "by a link"
    clones.folder.symlink_to(real)
    first = clones.clone("first")
    assert first.treadle("run", "--cache=write").code == 0
    sent = written(nginx.data())
    assert str(real) not in sent
    assert str(clones.folder) not in sent
    assert len(list((nginx.data() / "ac").iterdir())) == 4
    logs = {name: first.read(f".treadle/logs/{name}.log") for name in said}
    first.write("in", "2\n")
    first.treadle("run", "--cache=local")
    first.write("in", "1\n")
    assert "4 restored" in first.treadle("run", "--cache=local").out
    assert {name: first.read(f".treadle/logs/{name}.log") for name in said} == logs
    second = clones.clone("second")
    done = second.treadle("run")
    assert "4 restored" in done.out, done.text
    assert second.read(".treadle/logs/none.log") == "said\n"
    for name in ("path", "link", "alike"):
        assert second.read(f"o/{name}") == "1\n"
        assert str(first.folder.resolve()) not in written(second.folder)
        assert second.treadle("log", name).code in (0, 1)


CANARIES = {"token": "t0ken-canary", "user": "ann-canary", "password": "geheim-canary"}


def written(folder: Path) -> str:
    """Return all that is in the files of a folder."""
    return "".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("state", ["well", "dead"])
def test_what_lets_in_is_nowhere(tmp_path: Path, state: str) -> None:
    """T8, case 54: events, logs, errors, `why`, entries, and what actions see."""
    with closing(Server()) as server:
        url = server.url if state == "well" else f"http://127.0.0.1:{free_port()}/team"
        plan = PLAN.replace('{shared: "URL"}', "local").replace("echo said;", "env; echo said;")
        for number, (address, token) in enumerate(
            [
                (url, CANARIES["token"]),
                (url.replace("://", f"://{CANARIES['user']}:{CANARIES['password']}@"), ""),
            ]
        ):
            clones = Clones(tmp_path, url, plan)
            environ = {"TREADLE_CACHE": "write", "TREADLE_CACHE_URL": address, "TREADLE_CACHE_TOKEN": token}
            said = ""
            for name in (f"first{number}", f"second{number}"):
                project = clones.clone(name, f"{number}\n")
                project.environ.update(environ, TREADLE_CACHE_SIGNING_KEY="k3y-canary" * 4)
                looks = (("why", "file"), ("log", "file"), ("show",)) if name.startswith("second") else ()
                for arguments in (
                    ("run", "--events=events", "--html=page", "--junit=junit", "--trace=trace"),
                    *looks,
                ):
                    done = project.treadle(*arguments)
                    said += done.text
                said += written(project.folder) + written(tmp_path / f"{name}.store")
            said += repr(server.entries) + repr(server.blobs)
            assert not [one for one in (*CANARIES.values(), "k3y-canary") if one in said]
        if state == "well":
            sent = [headers.get("Authorization", "") for _, _, headers in server.requests]
            assert any(one == f"Bearer {CANARIES['token']}" for one in sent)
            assert any(one.startswith("Basic ") for one in sent)
            assert all(sent)


def test_the_token_of_the_environment_goes_to_the_address_of_the_environment_only(tmp_path: Path) -> None:
    """T8."""
    with closing(Server()) as planned, closing(Server()) as own:
        clones = Clones(tmp_path, planned.url)
        done = clones.clone("first").treadle("run", TREADLE_CACHE_TOKEN="t0ken")
        assert "TREADLE_CACHE_TOKEN is not sent: it is for the address in TREADLE_CACHE_URL only" in done.text
        assert planned.requests
        assert not [one for one in planned.requests if "Authorization" in one[2]]
        asked = len(planned.requests)
        clones.clone("second").run(TREADLE_CACHE_TOKEN="t0ken", TREADLE_CACHE_URL=own.url)
        assert len(planned.requests) == asked
        assert {one[2]["Authorization"] for one in own.requests} == {"Bearer t0ken"}


def test_an_address_of_a_plan_gets_what_netrc_has_for_its_host(tmp_path: Path) -> None:
    """T8: not what it has for other hosts, nor for those without an entry."""
    with closing(Server()) as server:
        clones = Clones(tmp_path, server.url)
        path = tmp_path / "netrc"
        path.write_text("machine 127.0.0.1 login ann password geheim\ndefault login root password all\n")
        path.chmod(0o600)
        clones.clone("first").run(NETRC=str(path))
        assert {one[2].get("Authorization") for one in server.requests} == {"Basic YW5uOmdlaGVpbQ=="}
        server.requests.clear()
        path.write_text("machine other login ann password geheim\ndefault login root password all\n")
        clones.clone("second").run(NETRC=str(path))
        assert {one[2].get("Authorization") for one in server.requests} == {None}


def test_what_netrc_has_for_all_other_hosts_is_for_no_host_of_that_name(tmp_path: Path) -> None:
    """T8: a parser may keep it by the name `default`, which may be a host too."""
    path = tmp_path / "netrc"
    path.write_text("default login root password all\n")
    found = shared_of("read", json.dumps({"shared": "https://default/team"}), {"NETRC": str(path)}, {})
    assert found is not None
    assert found.url == "https://default/team"


def test_a_real_server_lets_in_by_user_and_password(nginx: Nginx, tmp_path: Path) -> None:
    """T8: without them there is one line, and the run goes on."""
    clones = Clones(tmp_path, nginx.url("closed"))
    own = {"TREADLE_CACHE_URL": nginx.url("closed", "ann:geheim@")}
    assert clones.clone("first", **own).run("--cache=write") == ALL
    assert clones.clone("second", **own).run() == []
    third = clones.clone("third")
    done = third.treadle("run")
    assert done.code == 0
    assert done.text.count("the shared cache refuses the credentials, or that there are none: HTTP 401") == 1
    assert sorted(third.starts()) == ALL


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (("--cache=read",), {}, "there is no shared cache to read"),
        (("--cache=write",), {}, "there is no shared cache to write"),
        (
            ("--cache=read",),
            {"TREADLE_CACHE_URL": "ftp://ann:geheim@h"},
            "no package that is installed has a cache",
        ),
        (
            ("--cache=read",),
            {"TREADLE_CACHE_URL": "http://ann:geheim@h"},
            "TREADLE_CACHE_URL is one of http, which",
        ),
        (("--cache=read",), {"TREADLE_CACHE_URL": "http://h", "TREADLE_CACHE_TOKEN": "geheim"}, "is one of http"),
    ],
)
def test_what_is_said_wrong_is_an_error_that_shows_no_secret(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    """F1, T8."""
    project = Clones(tmp_path, "", PLAN.replace('cache: {shared: "URL"}\n', "")).clone("one")
    done = project.treadle("run", *arguments, **environ)
    assert done.code == 2
    assert said in done.err
    assert "geheim" not in done.text


def test_an_address_in_the_environment_alone_switches_no_cache_on(tmp_path: Path) -> None:
    """C5."""
    with closing(Server()) as server:
        plan = PLAN.replace('cache: {shared: "URL"}\n', "")
        clones = Clones(tmp_path, "", plan)
        assert clones.clone("a").run(TREADLE_CACHE_URL=server.url) == ALL
        assert server.requests == []
        assert clones.clone("b").run(TREADLE_CACHE_URL=server.url, TREADLE_CACHE="write") == ALL
        assert clones.clone("c").run("--cache=read", TREADLE_CACHE_URL=server.url) == []


@pytest.mark.parametrize("others", ["slow: {sh: sleep 60}\n  ", ""], ids=["an action runs", "all has ended"])
def test_the_end_of_a_run_waits_for_uploads_and_ctrl_c_does_not(tmp_path: Path, others: str) -> None:
    """F2: also a signal that comes while the end of the run waits."""
    started = threading.Event()

    class Slow(StrictHandler):
        def put(self, kind: str, name: str, body: bytes) -> tuple[int, bytes]:
            started.set()
            self.server_of_test.goes_on.wait()
            return super().put(kind, name, body)

    with closing(Server(Slow)) as server:
        clones = Clones(tmp_path, server.url, PLAN.replace("file: {", f"{others}file: {{"))
        one = clones.clone("one")
        child = one.start("run", "--cache=write", "--events=events")
        assert started.wait(30)
        if not others:
            ends = '"event":"ended"'
            waiting.until(lambda: one.read("events").count(ends) == len(ALL), "the ends of all actions")
        child.send_signal(signal.SIGINT)
        began = monotonic()
        said = "".join(child.communicate(timeout=30))
        assert monotonic() - began < 8, "it waited for what is sent"
        assert "were not sent" not in said


def test_a_run_that_is_killed_while_it_downloads_leaves_nothing(tmp_path: Path) -> None:
    """Case 43, R2."""
    asked = threading.Event()
    with closing(Server()) as server:
        clones = Clones(tmp_path, server.url)
        clones.clone("first").run("--cache=write")

        def half(handler: StrictHandler, path: str, body: bytes) -> None:
            if "/ac/" in path:
                handler.reply(200, body)
                return
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:1])
            asked.set()
            handler.server_of_test.goes_on.wait()

        with closing(Server(rude(half))) as stuck:
            stuck.entries, stuck.blobs = server.entries, server.blobs
            clones.plan = clones.plan.replace(server.url, stuck.url)
            second = clones.clone("second")
            child = second.start("run")
            assert asked.wait(30)
            child.kill()
            child.communicate()
        assert outputs(second) == {}
        second.write("plan", clones.plan.replace(stuck.url, server.url))
        assert second.run() == []
        assert not (second.folder / ".treadle/restore").exists()


@pytest.mark.skipif(not shutil.which("ccache") or not shutil.which("cc"), reason="no ccache or no cc here")
def test_another_client_shares_the_server(clones: Clones, nginx: Nginx, tmp_path: Path) -> None:
    """W9: each below a path of its own."""
    clones.clone("first").run("--cache=write")
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    environ = {
        **os.environ,
        "CCACHE_DIR": str(tmp_path / "ccache"),
        "CCACHE_REMOTE_STORAGE": f"{nginx.url('ccache')}|layout=bazel",
        "CCACHE_TEMPDIR": str(tmp_path / "temporary"),
    }

    def call(*words: str) -> str:
        return subprocess.run(words, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True).stdout

    call("ccache", "cc", "-c", "a.c", "-o", "a.o")
    before = (tmp_path / "a.o").read_bytes()
    shutil.rmtree(tmp_path / "ccache")
    call("ccache", "cc", "-c", "a.c", "-o", "a.o")
    assert (tmp_path / "a.o").read_bytes() == before
    stats = dict(line.split("\t") for line in call("ccache", "--print-stats").splitlines())
    assert stats["remote_storage_hit"] != "0"
    assert os.listdir(nginx.data("ccache"))
    assert clones.clone("second").run() == []


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_a_certificate_that_is_not_trusted_is_a_fault(tmp_path: Path) -> None:
    """Case 36: one line, and nothing is sent before; with the authority in SSL_CERT_FILE it is trusted."""
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    words = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*words.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with closing(Server(context=context)) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        clones = Clones(tmp_path, url)
        first = clones.clone("first", TREADLE_CACHE_URL=url, TREADLE_CACHE_TOKEN="t0ken")
        done = first.treadle("run", "--cache=write")
        assert done.code == 0
        assert done.text.count("the shared cache cannot be reached") == 1, done.text
        assert "certificate verify failed" in done.text
        assert server.requests == []
        trusting = {"SSL_CERT_FILE": certificate, "TREADLE_CACHE_URL": url, "TREADLE_CACHE_TOKEN": "t0ken"}
        assert clones.clone("second", **trusting).run("--cache=write") == ALL
        assert clones.clone("third", **trusting).run() == []
        assert {one[2]["Authorization"] for one in server.requests} == {"Bearer t0ken"}


def test_ctrl_c_ends_a_run_at_once_that_waits_for_a_server(tmp_path: Path) -> None:
    """T1, F2."""
    asked = threading.Event()

    def silent(one: StrictHandler, _: str, __: bytes) -> None:
        asked.set()
        one.server_of_test.goes_on.wait()

    with closing(Server(rude(silent), always=True)) as server:
        child = Clones(tmp_path, server.url).clone("one").start("run")
        assert asked.wait(30)
        child.send_signal(signal.SIGINT)
        said = "".join(child.communicate(timeout=30))
        assert child.returncode == 130
        # its time limit is 5 seconds
        assert "does not answer in time" not in said


def test_of_two_that_store_at_once_one_wins_whole(clones: Clones) -> None:
    """Case 40: other bytes of the same inputs."""
    clones.plan = clones.plan.replace(": > ${out}'", "date +%s%N > ${out}; sleep 0.1'").replace(
        "cat in hdr > ${out};", "cat in hdr > ${out}; date +%s%N >> ${out};"
    )
    both = [clones.clone("a"), clones.clone("b")]
    for child in [project.start("run", "--cache=write") for project in both]:
        child.communicate(timeout=60)
        assert child.returncode == 0
    third = clones.clone("third")
    assert third.run() == []
    made = [outputs(project) for project in both]
    for path, text in outputs(third).items():
        assert text in [one[path] for one in made]


def test_what_is_not_sent_in_time_is_counted(tmp_path: Path) -> None:
    """F2: the end of a run waits 10 seconds at most."""

    class Slow(StrictHandler):
        def put(self, kind: str, name: str, body: bytes) -> tuple[int, bytes]:
            if "ac" in kind:
                self.server_of_test.goes_on.wait(4)
            return super().put(kind, name, body)

    plan = (
        "treadle: 1\ncache: {shared: 'URL'}\ndefaults: {cache: true}\nactions:\n  a:\n    foreach: {n: [NAMES]}\n"
    )
    plan += "    sh: 'cp ${in} ${out}'\n    in: in\n    out: o/${n}\n"
    names = ", ".join(map(str, range(40)))
    with closing(Server(Slow)) as server:
        project = Clones(tmp_path, server.url, plan.replace("NAMES", names)).clone("one")
        done = project.treadle("run", "--cache=write")
        assert done.code == 0
        said = re.search(
            r"outputs of (\d+) actions were not sent to the shared cache: that took over 10 s", done.text
        )
        assert said is not None
        assert 1 < int(said[1]) <= 40


@pytest.mark.skipif(not shutil.which("bgd"), reason="no BuildGrid here (bgd on PATH): it has 50 dependencies")
def test_a_real_strict_server_serves_as_well(tmp_path: Path) -> None:
    """W1, W4: BuildGrid parses entries, encodes them anew and checks the digests of blobs."""
    with closing(BuildGrid(str(shutil.which("bgd")))) as server:
        clones = Clones(tmp_path, server.url)
        signed = {"TREADLE_CACHE_SIGNING_KEY": "k" * 32}
        first = clones.clone("first", **signed)
        done = first.treadle("run", "--cache=write")
        assert "the shared cache" not in done.text
        second = clones.clone("second", **signed)
        assert second.run() == []
        assert outputs(second) == outputs(first)
        cache = HttpCache(server.url, writable=True)
        with pytest.raises(CacheError, match="refuses a request"):
            cache.put_entry("ab" * 32, b"\xff\xff")
        (tmp_path / "blob").write_text("another")
        with pytest.raises(CacheError, match="refuses a request"):
            cache.put_blob(Digest("ab" * 32, 7), str(tmp_path / "blob"))
        cache.close(0)


def package(folder: Path, **files: str) -> str:
    """Write modules and what an installation would know of them; return the folder for PYTHONPATH."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    info = folder / "toy_cache-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-cache\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[treadle.caches]\ntoy = toy_cache:make\n")
    return str(folder)


def test_another_package_may_bring_a_scheme(tmp_path: Path) -> None:
    """W7: nothing that it returns is trusted, so it only has to say how it stores."""
    (tmp_path / "site").mkdir()
    text = """
from treadle import FolderCache

class ToyCache(FolderCache):
    name = "toy"
    is_own = False

def make(url, token, writable):
    assert token == "t0ken", token
    return ToyCache(url.partition("://")[2], writable=writable, least_free=0)
"""
    environ = {"PYTHONPATH": package(tmp_path / "site", toy_cache=text), "TREADLE_CACHE_TOKEN": "t0ken"}
    environ["TREADLE_CACHE_URL"] = f"toy://{tmp_path}/elsewhere"
    clones = Clones(tmp_path, "https://not.asked/")
    assert clones.clone("first", **environ).run("--cache=write") == ALL
    second = clones.clone("second", **environ)
    assert "restored file (toy)" in second.treadle("run").out
    assert second.starts() == []


def test_a_package_that_fails_to_make_its_cache_costs_one_line(tmp_path: Path) -> None:
    """W7, T8: its words are not shown, as the address may be in them."""
    (tmp_path / "site").mkdir()
    site = package(tmp_path / "site", toy_cache="def make(url, token, writable):\n    raise ValueError(url)\n")
    done = Clones(tmp_path, "toy://h/geheim").clone("one", PYTHONPATH=site).treadle("run")
    assert done.code == 0
    assert done.text.count("the shared cache is not used: what makes it has failed (ValueError)") == 1
    assert "geheim" not in done.text


def test_without_urllib3_one_line_says_what_to_install(tmp_path: Path) -> None:
    """W8: the run goes on."""
    (tmp_path / "site").mkdir()
    site = package(tmp_path / "site", urllib3="raise ImportError('not here')")
    done = Clones(tmp_path, "http://127.0.0.1:9/").clone("one", PYTHONPATH=site).treadle("run")
    assert done.code == 0
    said = "the shared cache is not used: a shared cache needs urllib3; pip install 'treadle[cache]'"
    assert done.text.count(said) == 1


PAGE = (
    (Path(__file__).parents[2] / "docs/howto/cache.md").read_text("utf-8").partition("\n## Between machines\n")[2]
)
ON_PAGE = "http://127.0.0.1:8080/team"


def blocks(language: str) -> list[str]:
    """Return the blocks of the page between its heading and the next one."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.partition("\n## ")[0], re.MULTILINE | re.DOTALL)


def test_the_steps_of_the_page_lead_to_a_shared_cache(tmp_path: Path) -> None:
    """Each command on the page, on a server with its configuration: CI stores, a fresh clone reads."""
    (conf,) = blocks("nginx")
    assert shutil.which("nginx", path=NGINX_PATH) or pytest.skip("no nginx here")
    with closing(Nginx(conf)) as server:
        (plan,) = blocks("yaml")
        stored, fresh, named = blocks("console")
        launcher = tmp_path / "commands/treadle"
        launcher.parent.mkdir()
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
        launcher.chmod(0o755)
        clones = Clones(tmp_path, "", plan.replace(ON_PAGE, server.url()))
        for name, block in (("ci", stored), ("fresh", fresh), ("fresh", named)):
            first = not (tmp_path / name).exists()
            project = clones.clone(name, PATH=f"{launcher.parent}:{os.environ['PATH']}")
            if first:
                project.write("data.csv", "3,4\n1,2\n")
            command, _, said = block.removeprefix("$ ").partition("\n")
            done = subprocess.run(
                ["bash", "-euc", command],
                cwd=project.folder,
                env=project.environ,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert settled(done.stdout) == settled(said), (command, done)


def settled(text: str) -> str:
    return re.sub(r"\b\d+\.\ds\b", "TIME", re.sub(r", [\d.]+s saved by skipping", "", text))
