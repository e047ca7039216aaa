#!/usr/bin/env bash
# Installs Debian's documentation packages and cuts them into the passages for the house model:
#   models/house/documentation.sh work/passages.jsonl
# Needs Debian or a derivative, and the right to install packages. The output is not committed.
set -euo pipefail
backstream=$(realpath .venv/bin/backstream)
output=$(realpath "${1:?the file to write}")
apt-get install --yes --no-install-recommends \
    python3.11-doc postgresql-doc-15 git-doc debian-handbook apache2-doc perl-doc python-django-doc perl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Names are relative, because documents are held out by the hash of their names.
mkdir "$work/root" "$work/pod"
ln -s /usr "$work/root/usr"
cd "$work/root"
# POD becomes plain text, which the segmenter reads.
find usr/share/perl/ -name '*.pod' -print0 | while IFS= read -r -d '' pod; do
    pod2text "$pod" >"../pod/$(basename "$pod" .pod).txt" 2>/dev/null || true
done
"$backstream" segment usr/share/doc/python3.11/html usr/share/doc/postgresql-doc-15/html usr/share/doc/git-doc \
    usr/share/doc/debian-handbook/html/en-US usr/share/doc/apache2-doc/manual/en usr/share/doc/python-django-doc/html ../pod |
    grep --invert-match --extended-regexp '"source": ?"[^"]*(_sources|changelog|whatsnew)' >"$output"
