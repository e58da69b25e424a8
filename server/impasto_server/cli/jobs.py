"""`impasto jobs`: what the server keeps of earlier commands."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path

from impasto_client.session import Session
from impasto_protocol.errors import BadValue, UnknownJob, from_code
from impasto_protocol.messages import FINAL_STATES, JobSummary

from impasto_server.cli import painting, servers
from impasto_server.cli.painting import ID_SHOWN


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(dest="action", metavar="list | cancel | fetch")
    actions.add_parser("list", help="all jobs, oldest first")
    cancel = actions.add_parser("cancel", help="stop a job")
    cancel.add_argument("id", help="as `impasto jobs` shows it")
    fetch = actions.add_parser("fetch", help="write the finished pictures of a job again")
    fetch.add_argument(
        "id", nargs="?", help="as `impasto jobs` shows it; default: the newest job that has some"
    )
    fetch.add_argument("--out", type=Path, required=True, help="the PNG to write")


def run(options: argparse.Namespace) -> int:
    with servers.connect() as session:
        if options.action == "cancel":
            return _cancel(session, options.id)
        if options.action == "fetch":
            return _fetch(session, options.id, options.out)
        return _list(session)


def _list(session: Session) -> int:
    jobs = session.jobs()
    if not jobs:
        print("No jobs.")
    for job in jobs:
        adapters = ", ".join((*job.controls, *job.loras))
        shown = f"{job.prompt[:60]}  [{adapters}]" if adapters else job.prompt[:60]
        print(f"{job.job[:ID_SHOWN]}  {job.state:<9}  {_age(job.created_s):>8}  {shown}")
        if job.error is not None:
            print(f"{'':10}{job.error.sentence}")
    return 0


def _age(created_s: float) -> str:
    seconds = max(0, int(time.time() - created_s))
    if seconds >= 86400:
        return f"{seconds // 86400} d ago"
    return str(timedelta(seconds=seconds))


def _find(jobs: list[JobSummary], prefix: str) -> JobSummary:
    found = [job for job in jobs if job.job.startswith(prefix.lower())]
    if not prefix or not found:
        raise UnknownJob(f"There is no job {prefix}. `impasto jobs` lists them.")
    if len(found) > 1:
        raise BadValue(f"Several jobs begin with {prefix}. Give more digits.")
    return found[0]


def _cancel(session: Session, prefix: str) -> int:
    job = _find(list(session.jobs()), prefix)
    if job.state in FINAL_STATES:
        print(f"{job.job[:ID_SHOWN]} is already {job.state}.")
        return 0
    painting.cancelled(session, session.job(job.job))
    job = _find(list(session.jobs()), job.job)
    print(f"{job.job[:ID_SHOWN]} is {job.state if job.state in FINAL_STATES else 'being cancelled'}.")
    if job.state != "done" and job.layers:
        print(painting.kept(job.job, len(job.layers)))
    return 0


def _fetch(session: Session, prefix: str | None, out: Path) -> int:
    jobs = list(session.jobs())
    done = [job for job in jobs if job.layers and job.state in FINAL_STATES]
    if prefix is None and not done:
        raise UnknownJob("There is no finished job. `impasto jobs` lists all.")
    job = done[-1] if prefix is None else _find(jobs, prefix)
    if job.error is not None and not job.layers:
        raise from_code(job.error.code, job.error.sentence)
    if not job.layers:
        raise BadValue(f"The job is {job.state}; there is nothing to fetch.")
    layers = [session.fetch_layer(job.job, index, info) for index, info in enumerate(job.layers)]
    for path, _ in painting.write_all(session, layers, out):
        print(path)
    return 0
