"""State that several users go on with: the owner of the project and root under sudo, and the users of a team."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project import COMMAND, Done
from treadle.content import trust
from treadle.state import own_files
from treadle.state.records import Owner
from treadle.state.store import Store

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become several users"
)

ANNA, BERT, TEAM = 23001, 23002, 23003
ROOT = 0
PLAN = """
treadle: 1
actions:
  a: {sh: 'umask 2; cat ${in} > ${out}', in: i, out: o/a}
  site: {sh: 'umask 2; mkdir -p ${out}/sub; cat ${in} > ${out}/sub/i', in: i, out: o/site/}
  there: {sh: 'umask 2; cat ${in} > ${out}', in: i, out: o/there}
  bad: {sh: 'umask 2; cat ${in} > ${out}; test $(cat ${in}) != bad', in: i, out: o/bad}
"""


class Shared:
    """A project that several users reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.homes = folder / "homes"
        self.folder.mkdir()
        self.homes.mkdir()
        self.environ: dict[str, str] = {}
        self.umask = "022"

    @property
    def state(self) -> Path:
        return self.folder / ".treadle"

    def write(self, name: str, text: str, uid: int) -> None:
        """Write a file as a user does."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.chown(path, uid, -1)

    def run(self, uid: int, *arguments: str, code: int = 0, **environ: str) -> Done:
        """Call the command as a user."""
        home = self.homes / str(uid)
        home.mkdir(exist_ok=True)
        os.chown(home, uid, uid)
        names = {**os.environ, "HOME": str(home), "NO_COLOR": "1", **self.environ, **environ}
        names.pop("XDG_STATE_HOME")
        become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={TEAM}"] if uid else []
        done = subprocess.run(
            ["sh", "-c", f'umask {self.umask}; exec "$@"', "sh", *become, *COMMAND, *arguments],
            cwd=self.folder,
            env=names,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def sudo(self, *arguments: str, caller: int = ANNA, code: int = 0) -> Done:
        """Call the command as sudo does."""
        return self.run(
            ROOT,
            *arguments,
            code=code,
            SUDO_UID=str(caller),
            SUDO_GID=str(caller),
            SUDO_HOME=str(self.homes / str(caller)),
        )

    def in_state(self) -> dict[str, os.stat_result]:
        """Return all that lies in the state folder, itself as ".", but for what is moved aside by name."""
        found = {".": self.state.lstat()}
        for path in self.state.rglob("*"):
            if path.name not in ("there", "bad") or path.is_dir():
                found[path.relative_to(self.state).as_posix()] = path.lstat()
        return found

    def all_ends(self, turn: Callable[[str, int], object]) -> None:
        """Have runs in which actions succeed, fail and move things aside: all that a state may hold is made."""
        self.write("o/there", "mine", ANNA)
        turn("good", 0)
        turn("bad", 1)
        self.write("o/there", "mine again", ANNA)
        turn("better", 0)
        names = {name.split("/")[0] for name in self.in_state()}
        assert {*(".", "records", "lock", "logs", "quick", "made", "failed", "replaced", ".gitignore")} <= names


@pytest.fixture
def shared() -> Iterator[Shared]:
    """A project in a folder that all users reach."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-"))
    folder.chmod(0o755)
    yield Shared(folder)
    shutil.rmtree(folder)


@pytest.fixture
def of_anna(shared: Shared) -> Shared:
    """A project of one user."""
    os.chown(shared.folder, ANNA, ANNA)
    shared.write("treadle.yaml", PLAN, ANNA)
    shared.write("o/x", "", ANNA)
    os.chown(shared.folder / "o", ANNA, ANNA)
    return shared


@pytest.fixture
def of_team(shared: Shared) -> Shared:
    """A project in a setgid folder that a team shares, with the words that its users set."""
    shared.write("treadle.yaml", PLAN, ANNA)
    shared.write("o/x", "", ANNA)
    for path in (shared.folder, shared.folder / "o"):
        os.chown(path, ANNA, TEAM)
        path.chmod(0o2775)
    shared.environ = {trust.SAFE_FOLDERS: str(shared.folder), trust.TRUST_STATE: "1"}
    shared.umask = "002"
    return shared


@pytest.mark.parametrize("is_first", [True, False], ids=["sudo first", "after the user"])
def test_what_sudo_makes_in_the_state_belongs_to_the_caller(of_anna: Shared, is_first: bool) -> None:
    def turn(text: str, code: int) -> None:
        of_anna.write("i", text, ANNA)
        of_anna.sudo("run", "-k", code=code)

    if not is_first:
        of_anna.write("i", "first", ANNA)
        of_anna.run(ANNA, "run")
    of_anna.all_ends(turn)
    owners = {name: (one.st_uid, one.st_gid) for name, one in of_anna.in_state().items()}
    assert {name: owner for name, owner in owners.items() if owner != (ANNA, ANNA)} == {}
    assert [name for name, one in of_anna.in_state().items() if one.st_mode & 0o022] == []


def test_a_user_and_sudo_in_turn_find_each_others_work_done(of_anna: Shared) -> None:
    of_anna.write("i", "1", ANNA)
    of_anna.run(ANNA, "run")
    assert "nothing to do" in of_anna.sudo("run").out
    of_anna.write("i", "2", ANNA)
    done = of_anna.sudo("run")
    assert ("4 run" in done.out, done.err) == (True, "")
    done = of_anna.run(ANNA, "run")
    assert ("nothing to do" in done.out, done.err) == (True, "")
    # what root has made in the place of outputs can be removed still: the folders are the user's
    of_anna.write("i", "3", ANNA)
    of_anna.write("o/there", "mine", ANNA)
    of_anna.run(ANNA, "run", "a", "there")
    assert (of_anna.state / "replaced/there/o/there").read_text() == "mine"


def test_sudo_gives_nothing_of_root_to_another_user(of_anna: Shared) -> None:
    os.chown(of_anna.folder, ROOT, ROOT)
    for path in of_anna.folder.rglob("*"):
        os.chown(path, ROOT, ROOT)
    of_anna.write("i", "1", ROOT)
    of_anna.sudo("run")
    assert {(one.st_uid, one.st_gid) for one in of_anna.in_state().values()} == {(ROOT, ROOT)}


@pytest.mark.parametrize("name", ["logs", "replaced", "failed", "quick", "made", "records", "logs/a.log", "lock"])
def test_sudo_gives_away_nothing_that_a_link_leads_to(of_anna: Shared, name: str) -> None:
    victim = of_anna.homes / "victim"
    folder = of_anna.homes / "folder"
    victim.write_text("root's")
    folder.mkdir()
    of_anna.write("i", "1", ANNA)
    of_anna.state.mkdir()
    os.chown(of_anna.state, ANNA, ANNA)
    path = of_anna.state / name
    path.parent.mkdir(exist_ok=True)
    os.chown(path.parent, ANNA, ANNA)
    path.symlink_to(victim if "." in name or name in ("records", "lock") else folder)
    os.lchown(path, ANNA, ANNA)
    of_anna.sudo("run")
    assert (victim.stat().st_uid, folder.stat().st_uid) == (ROOT, ROOT)
    assert victim.read_text() == "root's"
    assert list(folder.iterdir()) == []


def test_a_mark_that_sudo_makes_in_the_home_of_the_caller_is_for_the_caller(of_anna: Shared) -> None:
    of_anna.write("i", "1", ANNA)
    home = of_anna.homes / str(ANNA)
    home.mkdir()
    os.chown(home, ANNA, ANNA)
    # as `sudo -E` does
    of_anna.run(ROOT, "run", SUDO_UID=str(ANNA), SUDO_GID=str(ANNA), HOME=str(home))
    made = list((home / ".local").rglob("*"))
    assert {(path.stat().st_uid, path.stat().st_mode & 0o077) for path in made} == {(ANNA, 0)}
    assert "nothing to do" in of_anna.run(ANNA, "run").out


@pytest.mark.parametrize("users", [(ANNA, BERT), (BERT, ANNA), (ANNA, ROOT, BERT)], ids=str)
@pytest.mark.parametrize("umask", ["022", "002", "077"])
def test_users_of_a_team_go_on_with_the_state_of_each_other(
    of_team: Shared, users: tuple[int, ...], umask: str
) -> None:
    turns = 0

    def turn(text: str, code: int) -> None:
        nonlocal turns
        of_team.write("i", text, ANNA)
        if text == "good":
            # the actions make their folders by the umask
            of_team.run(users[0], "run", "-k", code=code)
            of_team.umask = umask
            for path in (of_team.folder / "o").rglob("*"):
                path.chmod(0o2777 if path.is_dir() else 0o666)
            return
        turns += 1
        of_team.run(users[turns % len(users)], "run", "-k", "a", "there", "bad", code=code)

    of_team.all_ends(turn)
    for user in users:
        of_team.umask = "002"
        done = of_team.run(user, "status", "a", "there", "bad")
        assert done.err == ""
    inside = of_team.in_state()
    folders = {name: one for name, one in inside.items() if stat.S_ISDIR(one.st_mode)}
    assert {name: one.st_gid for name, one in inside.items() if one.st_gid != TEAM} == {}
    assert {name for name, one in folders.items() if one.st_mode & 0o2070 != 0o2070} == set()
    files = {name: one for name, one in inside.items() if name not in folders and "/o/" not in name}
    assert {name for name, one in files.items() if one.st_mode & 0o060 != 0o060} == set()
    assert {name for name, one in inside.items() if one.st_mode & 0o002} == set()


def test_users_of_a_team_find_each_others_work_done(of_team: Shared) -> None:
    of_team.write("i", "1", ANNA)
    of_team.run(ANNA, "run")
    for user in (BERT, ANNA, BERT):
        done = of_team.run(user, "run")
        assert ("nothing to do" in done.out, done.err) == (True, ""), done.text
    of_team.write("i", "2", ANNA)
    assert "4 run" in of_team.run(BERT, "run").out
    assert "4 run" not in of_team.run(ANNA, "run").out


def test_without_a_word_for_the_state_the_next_user_of_a_team_starts_anew_and_is_told_the_word(
    of_team: Shared,
) -> None:
    del of_team.environ[trust.TRUST_STATE]
    of_team.write("i", "1", ANNA)
    of_team.run(ANNA, "run")
    done = of_team.run(BERT, "run")
    assert "4 run" in done.out
    assert f"{trust.TRUST_STATE}=1" in done.err


def test_state_of_before_the_word_is_shared_by_the_next_run_of_its_owner(of_team: Shared) -> None:
    of_team.write("i", "1", ANNA)
    said = of_team.environ
    of_team.environ = {}
    of_team.folder.chmod(0o755)
    of_team.run(ANNA, "run")
    of_team.folder.chmod(0o2775)
    of_team.environ = said
    refused = of_team.run(BERT, "run", "--force", code=2)
    assert trust.SAFE_FOLDERS in refused.err
    of_team.run(ANNA, "run", "--force")
    of_team.run(BERT, "run", "--force")


def test_elsewhere_no_group_gets_anything(shared: Shared) -> None:
    os.chown(shared.folder, ANNA, TEAM)
    shared.folder.chmod(0o2775)
    shared.write("treadle.yaml", PLAN, ANNA)
    shared.write("i", "1", ANNA)
    refused = shared.run(ANNA, "run", code=2)
    assert "may write to it" in refused.err
    shared.folder.chmod(0o2755)
    shared.run(ANNA, "run")
    assert {name for name, one in shared.in_state().items() if one.st_mode & 0o020} == set()


def open_to_all(path: Path) -> None:
    path.chmod(0o777 if path.is_dir() else 0o666)


def of_another(path: Path) -> None:
    os.chown(path, BERT, BERT)


FOLDERS = ("", "logs", "quick", "failed", "replaced", "made")


@pytest.mark.parametrize(
    ("how", "is_empty"),
    [(open_to_all, True), (of_another, False)],
    ids=["open, as an archive brings it", "of another user, after a run"],
)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_the_state_that_others_may_write_to_is_refused_and_told(
    of_anna: Shared, name: str, how: Callable[[Path], None], is_empty: bool
) -> None:
    of_anna.write("i", "1", ANNA)
    if not is_empty:
        of_anna.run(ANNA, "run")
    for folder in ("", name):
        (of_anna.state / folder).mkdir(exist_ok=True)
        os.chown(of_anna.state / folder, ANNA, ANNA)
    of_anna.write("i", "2", ANNA)
    how(of_anna.state / name)
    done = of_anna.run(ANNA, "run", code=2)
    assert f"{of_anna.state / name}: ".replace("/: ", ": ") in done.err
    assert ("all users may write to it" if how is open_to_all else "belongs to") in done.err
    assert f"{trust.SAFE_FOLDERS}=" in done.err


@pytest.mark.parametrize("how", [open_to_all, of_another])
@pytest.mark.parametrize("name", ["lock", "logs/a.log", "made/*", "quick/*"])
def test_a_file_of_the_state_that_others_may_write_to_is_replaced_and_not_believed(
    of_anna: Shared, name: str, how: Callable[[Path], None]
) -> None:
    of_anna.write("i", "1", ANNA)
    of_anna.run(ANNA, "run")
    for path in of_anna.state.glob(name):
        how(path)
    of_anna.write("i", "2", ANNA)
    of_anna.run(ANNA, "run")
    for path in of_anna.state.glob(name):
        if "-" not in path.name:
            assert (path.stat().st_uid, path.stat().st_mode & 0o022) == (ANNA, 0), path
    assert "nothing to do" in of_anna.run(ANNA, "run").out


@pytest.mark.parametrize("how", [open_to_all, of_another])
def test_a_list_of_what_was_made_that_others_may_write_to_says_nothing(
    tmp_path: Path, how: Callable[[Path], None]
) -> None:
    store = Store(str(tmp_path))
    store.acquire("r")
    store.manifests.write("k", {"o/": "folder"})
    store.release()
    assert store.manifests.read("k") == {"o/": "folder"}
    how(tmp_path / ".treadle/made/k")
    assert store.manifests.read("k") == {}


def test_lists_of_what_was_made_go_with_the_log_that_they_belong_to(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.acquire("r")
    store.manifests.write("k", {"o/": "folder"})
    store.mark_started([Owner("k", "treadle.yaml", "a", ["o/"])])
    store.release()
    for is_kept in (True, False):
        store.acquire("r")
        store.release()
        assert bool(store.manifests.read("k")) == is_kept
        (tmp_path / ".treadle/records").unlink(missing_ok=True)


@pytest.mark.parametrize("how", [open_to_all, of_another])
def test_what_is_moved_aside_goes_into_no_folder_that_others_may_write_to(
    tmp_path: Path, how: Callable[[Path], None]
) -> None:
    (tmp_path / "name/o").mkdir(parents=True)
    how(tmp_path / "name/o")
    assert not own_files.make_one(str(tmp_path / "name/o"), str(tmp_path / "name"), is_replacing=False)
    with pytest.raises(PermissionError):
        own_files.make_folder(str(tmp_path), "name/o/deeper")
    assert list((tmp_path / "name/o").iterdir()) == []


@pytest.mark.parametrize("how", [open_to_all, of_another])
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_mark_in_a_folder_that_others_may_write_to_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path], None], mode: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = trust.new_id()
    assert trust.mark(one) == ""
    assert trust.is_marked(one)
    if how is open_to_all:
        os.chown(tmp_path / "treadle", ROOT, TEAM)
        (tmp_path / "treadle").chmod(mode)
    else:
        how(tmp_path / "treadle")
    assert not trust.is_marked(one)
    monkeypatch.setenv(trust.SAFE_FOLDERS, str(tmp_path))
    assert trust.is_marked(one)
