-- The truth. One writer, the daemon; WAL, synchronous=FULL. PRAGMA user_version is the schema's version.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE jobs (
  id              TEXT PRIMARY KEY,
  queued_seq      INTEGER NOT NULL,          -- age: the seq of job_queued
  priority        INTEGER NOT NULL,          -- 0 low .. 3 urgent
  status          TEXT NOT NULL,
  over            INTEGER NOT NULL,          -- 1: final, and no attempt is open
  version         INTEGER NOT NULL,          -- compare-and-set
  expires_at      TEXT,                      -- of the open gate
  slug            TEXT NOT NULL,
  reason          TEXT NOT NULL,
  stage           TEXT,
  attempt         INTEGER NOT NULL,
  created_at      TEXT NOT NULL,
  updated_at      TEXT NOT NULL,
  state           TEXT NOT NULL,             -- the fold, see codec.py
  request         BLOB NOT NULL,             -- byte for byte
  request_sha256  TEXT NOT NULL,
  request_name    TEXT NOT NULL,
  request_identity TEXT NOT NULL,            -- dev:ino:size:mtime_ns:birth_ns, or ctime_ns where no birth is known
  pipeline        BLOB NOT NULL              -- as it was at acceptance
) WITHOUT ROWID;
CREATE INDEX jobs_queue ON jobs (priority DESC, queued_seq) WHERE status = 'queued';
CREATE INDEX jobs_open ON jobs (queued_seq) WHERE over = 0;
CREATE INDEX jobs_status ON jobs (status, updated_at);
CREATE INDEX jobs_identity ON jobs (request_identity);

CREATE TABLE attempts (
  job_id TEXT NOT NULL, stage TEXT NOT NULL, attempt INTEGER NOT NULL,
  number INTEGER NOT NULL,                   -- the stage's place in the pipeline, from 1
  status TEXT NOT NULL,
  started_at TEXT NOT NULL, ended_at TEXT, seconds REAL, limit_seconds REAL,
  place TEXT NOT NULL,                       -- where its files are: work, run, history, none
  goal  TEXT NOT NULL,                       -- where they belong; what differs is owed
  PRIMARY KEY (job_id, stage, attempt)
) WITHOUT ROWID;
CREATE INDEX attempts_owed ON attempts (job_id, number, attempt) WHERE place <> goal;
CREATE INDEX attempts_open ON attempts (job_id) WHERE status = 'running';

CREATE TABLE artifacts (
  job_id TEXT NOT NULL, stage TEXT NOT NULL, attempt INTEGER NOT NULL, path TEXT NOT NULL,
  kind TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, meta TEXT NOT NULL,
  PRIMARY KEY (job_id, stage, attempt, path)
) WITHOUT ROWID;

CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL, stage TEXT, attempt INTEGER, name TEXT NOT NULL,
  verdict TEXT NOT NULL,                     -- recorded, refused
  by TEXT NOT NULL, owner TEXT, at TEXT NOT NULL,
  identity TEXT NOT NULL, sha256 TEXT NOT NULL, bytes BLOB NOT NULL,
  why TEXT NOT NULL DEFAULT ''
);
CREATE INDEX decisions_job ON decisions (job_id, id);

CREATE TABLE events (
  seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, job_id TEXT, type TEXT NOT NULL, stage TEXT, attempt INTEGER,
  status TEXT, message TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE INDEX events_job ON events (job_id, seq);
