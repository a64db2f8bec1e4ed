"""Variables of the environment that first plans pass: tools such as make hand on all, a plan only what it names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from .draft import Draft, DraftAction

_AWS = (
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
)
_POSTGRES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGPASSFILE")
_BY_TOOL: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ssh", "scp", "sftp", "rsync", "ansible", "ansible-playbook"), ("SSH_AUTH_SOCK",)),
    "git": ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND"),
    **dict.fromkeys(("docker", "docker-compose", "podman"), ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")),
    **dict.fromkeys(("aws", "sam", "cdk", "terraform", "tofu", "serverless", "sls"), _AWS),
    **dict.fromkeys(("kubectl", "helm", "kustomize", "skaffold"), ("KUBECONFIG",)),
    **dict.fromkeys(("gcloud", "gsutil", "bq"), ("CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS")),
    "az": ("AZURE_CONFIG_DIR",),
    "gpg": ("GNUPGHOME", "GPG_TTY"),
    **dict.fromkeys(("psql", "pg_dump", "pg_restore", "createdb", "dropdb"), _POSTGRES),
    "gh": ("GH_TOKEN", "GITHUB_TOKEN"),
    "twine": ("TWINE_USERNAME", "TWINE_PASSWORD", "TWINE_REPOSITORY"),
    **dict.fromkeys(("npm", "npx", "pnpm", "yarn", "node"), ("NODE_ENV", "NODE_OPTIONS", "NPM_TOKEN")),
    **dict.fromkeys(("pip", "pip3", "tox", "nox"), ("PIP_INDEX_URL", "PIP_CONFIG_FILE")),
    "cargo": ("CARGO_HOME", "RUSTUP_HOME"),
    "go": ("GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOPRIVATE"),
}
"""Program -> the variables by which it finds its agent, its server or its user."""
_STARTS = re.compile(
    r"(?:^|&&|\|\||[;|&({\n`])\s*[@-]*((?:\w+=\S*\s+|(?:env|sudo|exec|time|nice|command)\s+)*)([\w./-]+)"
)


def pass_environment(draft: Draft) -> None:
    """Pass the variables that scripts and known tools of a draft read to all of its actions, with a remark."""
    set_here = {name for action in draft.live for key in ("env", "track") for name in action.keys.get(key, ())}
    wanted: dict[str, None] = {}
    tools: dict[str, None] = {}
    for action in draft.live:
        wanted.update(dict.fromkeys(action.keys.get("pass", ())))
        for tool in _tools_of(draft, action):
            if tool in _BY_TOOL:
                tools[tool] = None
                wanted.update(dict.fromkeys(_BY_TOOL[tool]))
    names = [name for name in wanted if name not in set_here]
    if not names:
        return
    draft.defaults["pass"] = list(dict.fromkeys([*draft.defaults.get("pass", ()), *names]))
    for action in draft.live:
        if kept := [name for name in action.keys.get("pass", ()) if name not in names]:
            action.keys["pass"] = kept
        else:
            action.keys.pop("pass", None)
    by = f", as {', '.join(tools)} may read them" if tools else ""
    draft.default_notes.append(
        f"an action sees only the variables that its plan names; these are passed{by}. They are not fingerprinted"
    )


def _tools_of(draft: Draft, action: DraftAction) -> Iterator[str]:
    script = action.keys.get("sh") or action.keys.get("run") or ""
    if isinstance(script, str):
        for match in _STARTS.finditer(draft.plain(script, unknown="")):
            yield os.path.basename(match.group(2))
