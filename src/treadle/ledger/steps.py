"""The schema of the ledger, in numbered steps of plain SQL that SQLite and PostgreSQL both take.

What only one of them takes is a map: name of the database -> its statement.

A step that has been released is never changed: a further one follows it.
"""

from __future__ import annotations

from collections.abc import Mapping

STEPS: tuple[tuple[str | Mapping[str, str], ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            read_to BIGINT NOT NULL DEFAULT 0,
            state TEXT NOT NULL DEFAULT 'running',
            began TEXT NOT NULL DEFAULT '',
            duration DOUBLE PRECISION NOT NULL DEFAULT 0,
            workflow TEXT NOT NULL DEFAULT '',
            resumes TEXT NOT NULL DEFAULT '',
            plan TEXT NOT NULL DEFAULT '',
            names TEXT NOT NULL DEFAULT '[]',
            argv TEXT NOT NULL DEFAULT '[]',
            params TEXT NOT NULL DEFAULT '{}',
            host TEXT NOT NULL DEFAULT '',
            account TEXT NOT NULL DEFAULT '',
            pid BIGINT NOT NULL DEFAULT 0,
            jobs BIGINT NOT NULL DEFAULT 0,
            checkout TEXT NOT NULL DEFAULT '',
            version TEXT NOT NULL DEFAULT '',
            exit_code BIGINT,
            counts TEXT NOT NULL DEFAULT '{}',
            problems TEXT NOT NULL DEFAULT '[]'
        )""",
        """CREATE TABLE actions (
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            family TEXT NOT NULL DEFAULT '',
            command TEXT NOT NULL DEFAULT '',
            queue TEXT NOT NULL DEFAULT '',
            verdict TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL DEFAULT '',
            outcome TEXT NOT NULL DEFAULT '',
            category TEXT NOT NULL DEFAULT '',
            reason TEXT NOT NULL DEFAULT '',
            failure TEXT NOT NULL DEFAULT '',
            attempts BIGINT NOT NULL DEFAULT 0,
            start DOUBLE PRECISION,
            duration DOUBLE PRECISION NOT NULL DEFAULT 0,
            exit_code BIGINT,
            log TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run, name)
        )""",
        "CREATE INDEX actions_by_name ON actions (name, run)",
        "CREATE INDEX actions_by_family ON actions (family, run)",
        """CREATE TABLE attempts (
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            number BIGINT NOT NULL,
            slot BIGINT,
            start DOUBLE PRECISION,
            duration DOUBLE PRECISION,
            outcome TEXT NOT NULL DEFAULT '',
            category TEXT NOT NULL DEFAULT '',
            failure TEXT NOT NULL DEFAULT '',
            exit_code BIGINT,
            memory DOUBLE PRECISION,
            cpu DOUBLE PRECISION,
            details TEXT NOT NULL DEFAULT '{}',
            PRIMARY KEY (run, name, number)
        )""",
        "CREATE INDEX attempts_by_name ON attempts (name, run, number)",
        "CREATE INDEX attempts_by_outcome ON attempts (outcome, run)",
        """CREATE TABLE reasons (
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            number BIGINT NOT NULL,
            kind TEXT NOT NULL,
            element TEXT NOT NULL DEFAULT '',
            old TEXT NOT NULL DEFAULT '',
            new TEXT NOT NULL DEFAULT '',
            text TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run, name, number)
        )""",
        """CREATE TABLE measurements (
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            attempt BIGINT NOT NULL,
            measurement TEXT NOT NULL,
            value DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (run, name, attempt, measurement)
        )""",
        """CREATE TABLE attributes (
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            attempt BIGINT NOT NULL,
            attribute TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (run, name, attempt, attribute)
        )""",
        "CREATE INDEX attributes_by_value ON attributes (attribute, value, run)",
    ),
    ("ALTER TABLE runs ADD COLUMN selection TEXT NOT NULL DEFAULT '{}'",),
    (
        # the folder that a run is of, in a database of several
        "ALTER TABLE runs ADD COLUMN root TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX runs_by_root ON runs (root, id)",
    ),
    (
        # what has given a run up that was never closed, "" for nothing
        "ALTER TABLE runs ADD COLUMN closed_by TEXT NOT NULL DEFAULT ''",
        # of each identity the run that has it, or had it last
        """CREATE TABLE owners (
            workflow TEXT NOT NULL,
            params TEXT NOT NULL,
            epoch BIGINT NOT NULL,
            token TEXT NOT NULL,
            run TEXT NOT NULL,
            root TEXT NOT NULL,
            host TEXT NOT NULL,
            account TEXT NOT NULL,
            pid BIGINT NOT NULL,
            since TEXT NOT NULL,
            beat BIGINT NOT NULL DEFAULT 0,
            lease DOUBLE PRECISION NOT NULL,
            ended BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (workflow, params)
        )""",
    ),
    (
        """CREATE TABLE requests (
            run TEXT NOT NULL,
            id TEXT NOT NULL,
            sender TEXT NOT NULL DEFAULT '',
            sent DOUBLE PRECISION NOT NULL DEFAULT 0,
            request TEXT NOT NULL,
            taken BIGINT NOT NULL DEFAULT 0,
            answer TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run, id)
        )""",
        # the sender is what the server knows, and not what a client writes
        {
            "postgresql": """CREATE FUNCTION keep_sender() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    NEW.sender := session_user;
                    NEW.sent := extract(epoch FROM clock_timestamp());
                    NEW.taken := 0;
                    NEW.answer := '';
                ELSE
                    NEW.run := OLD.run;
                    NEW.id := OLD.id;
                    NEW.sender := OLD.sender;
                    NEW.sent := OLD.sent;
                    NEW.request := OLD.request;
                END IF;
                RETURN NEW;
            END $$"""
        },
        {
            "postgresql": "CREATE TRIGGER keep_sender BEFORE INSERT OR UPDATE ON requests"
            " FOR EACH ROW EXECUTE FUNCTION keep_sender()"
        },
    ),
)
"""Step number - 1 -> its statements."""

TABLES = ("requests", "attributes", "measurements", "reasons", "attempts", "actions")
"""The tables that hold rows of a run, besides `runs`."""
