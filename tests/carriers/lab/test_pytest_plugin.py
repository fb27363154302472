"""The plugin, in suites of other people: pytest in a process of its own that finds it by its entry point."""

import pytest

pytest_plugins = ["pytester"]

SYNC_SUITE = """
import twilio.rest

PERSON = "+15550107001"


def client(lab):
    known = lab.credentials("twilio")
    client = twilio.rest.Client(known["account_sid"], known["auth_token"])
    client.api.base_url = known["base_url"]
    return client, known["numbers"][0]


def test_a_call_is_answered(holdline_lab):
    twilio, ours = client(holdline_lab)
    holdline_lab.phones.put(PERSON, answer_after_s=0.1, says="tone")
    call = twilio.calls.create(to=PERSON, from_=ours, twiml="<Response><Pause length='30'/></Response>")
    answered = holdline_lab.until("answer", number=PERSON)
    assert answered[0]["carrier_call_id"] == call.sid
    assert twilio.calls(call.sid).fetch().status == "in-progress"
    assert holdline_lab.phones.hang_up(PERSON) is True
    assert holdline_lab.until("hangup")[0]["by"] == "phone"


def test_the_next_test_has_a_fresh_lab(holdline_lab):
    assert holdline_lab.ledger() == []
    assert holdline_lab.phones.get(PERSON)["says"] == "speech"


def test_a_fault(holdline_lab):
    twilio, ours = client(holdline_lab)
    holdline_lab.set_faults("twilio", {"kind": "suspended"})
    try:
        twilio.calls.create(to=PERSON, from_=ours, twiml="<Response/>")
    except Exception as error:
        assert error.status in (401, 403)
    assert [entry["fault"] for entry in holdline_lab.ledger("dial")] == ["suspended"]
"""

ASYNC_SUITE = """
import asyncio

PERSON = "+15550107001"


async def test_waiting_leaves_the_loop_alone(holdline_lab):
    waiting = asyncio.create_task(holdline_lab.until_async("fault"))
    await asyncio.to_thread(holdline_lab.set_faults, "vonage")
    assert (await waiting)[0]["carrier"] == "vonage"
"""

LAZY_SUITE = """
import sys


def test_nothing_is_loaded():
    ours = {"carriers.lab.remote", "carriers.lab.lab", "carriers.registry"}
    theirs = {"litestar", "uvicorn", "twilio", "telnyx", "plivo", "vonage"}
    assert (ours | theirs).isdisjoint(sys.modules)
"""

STRICT = ("-W", "error", "-W", "ignore::DeprecationWarning:twilio.*", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto")
LOOP_SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")


def test_a_synchronous_suite_dials_through_an_sdk(pytester: pytest.Pytester) -> None:
    """Three plain tests share one lab, each finds it fresh, and the SDK needs nothing but its base URL."""
    pytester.makepyfile(SYNC_SUITE)
    result = pytester.runpytest_subprocess(*STRICT, *LOOP_SCOPE, "--holdline-lab-carriers", "twilio")
    result.assert_outcomes(passed=3)


def test_an_asynchronous_suite_waits_for_the_ledger(pytester: pytest.Pytester) -> None:
    """A test in an event loop waits without stopping it; the carriers may stand in the ini file."""
    pytester.makepyfile(ASYNC_SUITE)
    pytester.makeini("[pytest]\nholdline_lab_carriers = vonage, plivo\n")
    result = pytester.runpytest_subprocess(*STRICT, *LOOP_SCOPE)
    result.assert_outcomes(passed=1)


def test_a_suite_that_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    """Without the fixture no lab is started and nothing of it, nor any SDK, is imported."""
    pytester.makepyfile(LAZY_SUITE)
    pytester.runpytest_subprocess(*STRICT, *LOOP_SCOPE).assert_outcomes(passed=1)


def test_an_unknown_carrier_is_refused_before_any_test(pytester: pytest.Pytester) -> None:
    """The option names the carriers that there are, and pytest ends with a usage error."""
    pytester.makepyfile(LAZY_SUITE)
    result = pytester.runpytest_subprocess("--holdline-lab-carriers", "twilio,nobody")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no carrier nobody; there are: *twilio*"])


def test_knobs_are_turned_by_a_fixture(pytester: pytest.Pytester) -> None:
    """A suite overrides `holdline_lab_knobs`: a carrier whose pace was raised dials twice in one second."""
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def holdline_lab_knobs():\n"
        "    return {'twilio': {'calls_per_second': 100.0}}\n"
    )
    pytester.makepyfile(
        SYNC_SUITE.partition("def test_a_call")[0]
        + """
def test_two_at_once(holdline_lab):
    twilio, ours = client(holdline_lab)
    for person in (PERSON, "+15550107002"):
        twilio.calls.create(to=person, from_=ours, twiml="<Response><Pause length='30'/></Response>")
    first, second = holdline_lab.until("ring", count=2)
    assert second["at"] - first["at"] < 0.9
"""
    )
    pytester.runpytest_subprocess(*STRICT, *LOOP_SCOPE, "--holdline-lab-carriers=twilio").assert_outcomes(passed=1)


def test_a_crash_of_a_simulator_fails_the_test_that_met_it(pytester: pytest.Pytester) -> None:
    """A test that passes while a simulator raised is reported with the error, and the lab is fresh for the next one."""
    pytester.makeconftest(
        "import pytest\n"
        "class Lab:\n"
        "    entries = []\n"
        "    def reset(self): self.entries.clear()\n"
        "    def ledger(self, kind): return list(self.entries)\n"
        "@pytest.fixture(scope='session')\n"
        "def holdline_lab_process():\n"
        "    return Lab()\n"
    )
    pytester.makepyfile(
        "def test_one(holdline_lab): holdline_lab.entries.append({'error': 'KeyError: gone'})\n"
        "def test_two(holdline_lab): assert holdline_lab.ledger('crash') == []\n"
    )
    result = pytester.runpytest_subprocess(*STRICT, *LOOP_SCOPE)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*a simulator of the lab crashed: KeyError: gone*"])
