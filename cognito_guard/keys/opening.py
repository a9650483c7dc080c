"""From profiles to key sources: one ring per distinct source, the issuer forms of one pool linked as siblings; and the warm-up.

Decides what is opened and what a warm-up demands; nothing is fetched by opening.
"""

from __future__ import annotations

import os  # and no pathlib: it would load urllib with every import of the package
import time
from collections.abc import Callable, Iterable, Mapping

from cognito_guard.errors import CognitoGuardError, ConfigurationError, Unavailable
from cognito_guard.hooks import is_plain_callable
from cognito_guard.keys.drivers import KeyRing
from cognito_guard.keys.fetching import Fetch, HttpFetch
from cognito_guard.keys.static import StaticKeys
from cognito_guard.keys.times import KeyTimes
from cognito_guard.pool import JwksUrl, KeySource, Profile

Rings = Mapping[KeySource, KeyRing | StaticKeys]


def open_rings(
    profiles: Iterable[Profile],
    *,
    fetch: Fetch | None = None,
    times: KeyTimes | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    clock: Callable[[], float] = time.time,
    snapshots: str | os.PathLike[str] | None = None,
) -> dict[KeySource, KeyRing | StaticKeys]:
    """A ring for every key source that the profiles name, by source; see `KeyRing` for the arguments.

    Profiles that share a source share its ring, which then holds keys for the algorithms of all of them: compare a key's `alg` with
    what the profile allows. Files are read now; `ConfigurationError` names every one that cannot serve.
    """
    problems: list[str] = []
    profiles = tuple(profiles)
    if times is not None and not isinstance(times, KeyTimes):
        problems.append("key_times: give a KeyTimes(...)")
    if fetch is not None and not is_plain_callable(fetch):
        problems.append("fetch: give a plain callable, such as HttpFetch(...); it runs in a thread and is not awaited")
    if snapshots is not None and not isinstance(snapshots, str | os.PathLike):
        problems.append("snapshots: give the path of a directory")
    elif snapshots is not None and os.path.lexists(snapshots) and not os.path.isdir(snapshots):
        problems.append(f"snapshots: {os.fspath(snapshots)} is not a directory")
    wanted: dict[KeySource, dict[str, None]] = {}  # in the order of the profiles, each algorithm once
    for profile in profiles:
        for issuer in profile.issuers:
            wanted.setdefault(issuer.keys, {}).update(dict.fromkeys(profile.algorithms))
    if problems:  # the sources are opened all the same, for the mistakes that they hold
        fetch = times = snapshots = None
    fetch = HttpFetch() if fetch is None else fetch
    rings: dict[KeySource, KeyRing | StaticKeys] = {}
    for source, algorithms in wanted.items():
        if isinstance(source, JwksUrl):
            rings[source] = KeyRing(
                source,
                algorithms=tuple(algorithms),
                fetch=fetch,
                times=times,
                monotonic=monotonic,
                clock=clock,
                snapshots=snapshots,
            )
            continue
        try:
            rings[source] = StaticKeys(source, algorithms=tuple(algorithms))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError("Guard", problems)
    for profile in profiles:
        siblings = [rings[issuer.keys] for issuer in profile.issuers]
        for ring in siblings:
            if isinstance(ring, KeyRing):
                ring.link(*siblings)
    return rings


def warm_up(profiles: Iterable[Profile], rings: Rings) -> None:
    """Hold keys for every profile, fetching all sources at once. One issuer of a profile is enough: a pool that never switched answers
    403 on its other form. Raises `Unavailable`, naming each profile's pool that got none; everything that was fetched stays.
    """
    groups = _groups(profiles, rings)
    failures = {ring: ring.load() for ring in _started(groups)}
    _judge(groups, failures)


async def warm_up_async(profiles: Iterable[Profile], rings: Rings) -> None:
    """`warm_up` for tasks of asyncio and trio."""
    groups = _groups(profiles, rings)
    failures = {ring: await ring.load_async() for ring in _started(groups)}
    _judge(groups, failures)


Groups = list[tuple[str, list[KeyRing | StaticKeys]]]
Failures = dict[KeyRing | StaticKeys, CognitoGuardError | None]


def _groups(profiles: Iterable[Profile], rings: Rings) -> Groups:
    pools = {profile.issuers: profile.pool for profile in profiles}
    return [(pool, [rings[issuer.keys] for issuer in issuers]) for issuers, pool in pools.items()]


def _started(groups: Groups) -> list[KeyRing | StaticKeys]:
    rings = list(dict.fromkeys(ring for _, group in groups for ring in group))
    for ring in rings:
        ring.renew()
    return rings


def _judge(groups: Groups, failures: Failures) -> None:
    cold: list[str] = []
    pauses = [0.0]
    for pool, group in groups:
        if all(failures[ring] is not None for ring in group):
            cold.append(f"{pool}: " + "; ".join(f"{ring.url}: {failures[ring]}" for ring in group))
            pauses += [failure.retry_after for ring in group if isinstance(failure := failures[ring], Unavailable)]
    if cold:
        raise Unavailable("keys_unavailable", f"no keys for {', '.join(cold)}", retry_after=max(pauses))
