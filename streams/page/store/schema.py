"""The tables of the store.

``items`` is narrow, so that a filter that reads all of it reads little. Texts and records lie in
tables of their own, which only the rows of a page are joined with.

``decided`` is the mark of the newest decision about an item, and ``ruled`` that of the decision by
which it is on ``curated``: where they differ, the decision is awaited.

``sought`` is, of a passage that the segmenter refused, 0 until its document was cut again, then 2
where its text was found, else 1.

``search`` holds texts as ``streams.page.store.search`` makes them of those of ``texts``.
"""

VERSION = 6
"""Raised with every change of the tables: a file of another version is made anew."""

SCHEMA = """
CREATE TABLE topics (name TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE offsets (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE items (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    curated INTEGER NOT NULL DEFAULT 0,
    retracted INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '',
    count INTEGER NOT NULL DEFAULT 1,
    score REAL,
    term INTEGER NOT NULL DEFAULT -1,
    release TEXT NOT NULL DEFAULT '',
    human_score INTEGER,
    decision TEXT NOT NULL DEFAULT '',
    by TEXT NOT NULL DEFAULT '',
    decided TEXT NOT NULL DEFAULT '',
    ruled TEXT NOT NULL DEFAULT '',
    sought INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL DEFAULT '',
    category TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '',
    generator TEXT NOT NULL DEFAULT '',
    document_id TEXT NOT NULL DEFAULT '',
    segment_id TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT '',
    verdict TEXT NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN decision = 'drop' THEN 'dropped'
            WHEN curated THEN 'accepted'
            WHEN stage <> '' OR retracted THEN 'refused'
            ELSE 'waiting'
        END
    ) STORED,
    awaited INTEGER NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN decided = '' THEN 0
            WHEN decision = 'drop' THEN curated
            WHEN decision <> '' THEN NOT curated OR ruled <> decided
            WHEN curated THEN ruled <> ''
            ELSE stage <> '' AND reason = 'dropped'
        END
    ) VIRTUAL
);
CREATE INDEX items_at ON items (at, number);
CREATE INDEX items_verdict ON items (verdict, at, number);
CREATE INDEX items_source ON items (source);
CREATE INDEX items_facets ON items (
    verdict, stage, reason, category, language, generator, decision, count
);
CREATE INDEX items_document ON items (document_id) WHERE document_id <> '';
CREATE INDEX items_sought ON items (at) WHERE kind = 'document' AND sought < 2;
CREATE INDEX items_segment ON items (segment_id) WHERE segment_id <> '';

CREATE TABLE texts (
    number INTEGER PRIMARY KEY,
    instruction TEXT NOT NULL,
    context TEXT NOT NULL,
    response TEXT NOT NULL
);
CREATE VIRTUAL TABLE search USING fts5(
    instruction, context, response,
    content='texts', content_rowid='number', tokenize='unicode61 remove_diacritics 2'
);
CREATE TABLE pairs (number INTEGER PRIMARY KEY, candidate BLOB, example BLOB);
CREATE TABLE ratings (
    number INTEGER NOT NULL,
    release TEXT NOT NULL,
    term INTEGER NOT NULL,
    score REAL NOT NULL,
    precision REAL,
    data TEXT NOT NULL,
    PRIMARY KEY (number, release)
) WITHOUT ROWID;
CREATE INDEX ratings_release ON ratings (release, score, number);
CREATE TABLE refusals (
    number INTEGER NOT NULL,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    release TEXT NOT NULL,
    score REAL,
    at REAL NOT NULL,
    PRIMARY KEY (number, stage)
) WITHOUT ROWID;
CREATE TABLE human_ratings (
    id TEXT PRIMARY KEY, score INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    action TEXT NOT NULL,
    by TEXT NOT NULL,
    at REAL NOT NULL,
    note TEXT NOT NULL,
    mark TEXT NOT NULL,
    texts TEXT
);

CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL
);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    document_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    source TEXT NOT NULL,
    language TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (document_id, position);
CREATE TABLE requests (id TEXT PRIMARY KEY, source TEXT NOT NULL, instruction TEXT NOT NULL);
CREATE TABLE releases (
    id TEXT PRIMARY KEY, term INTEGER NOT NULL, at REAL NOT NULL, data TEXT NOT NULL
);
CREATE TABLE letters (
    number INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    stage TEXT NOT NULL,
    source TEXT NOT NULL,
    exception TEXT NOT NULL,
    message TEXT NOT NULL,
    stacktrace TEXT NOT NULL,
    key BLOB,
    value BLOB,
    headers TEXT NOT NULL,
    at REAL NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (stage, source),
    UNIQUE (partition, "offset")
);
CREATE TABLE written (
    stage TEXT NOT NULL, topic TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (stage, topic)
) WITHOUT ROWID;
"""
