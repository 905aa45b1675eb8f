"""A real Prometheus server scrapes a watcher and fires the alert that ships with notebook 13.

    apt-get install --no-install-recommends prometheus

installs it on Debian and Ubuntu (its service need not run); elsewhere, put `prometheus` and
`promtool` of at least version 2.42 on the PATH. Everything listens on 127.0.0.1 only.
"""

import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

import pytest
import yaml
from places import ROOT
from test_watch import HEADER, command, environment, lines_of, wait_for

RULES = ROOT / "notebooks" / "13_live_alerts.yml"
SKIP = "needs {0} on the PATH; on Debian: apt-get install --no-install-recommends prometheus"
needs_server = pytest.mark.skipif(not shutil.which("prometheus"), reason=SKIP.format("prometheus"))
needs_tool = pytest.mark.skipif(not shutil.which("promtool"), reason=SKIP.format("promtool"))
SERIES_OF_PROMETHEUS = {"up"}


def rules():
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def test_rules_name_only_metrics_that_a_watcher_serves():
    from lib.stream.prometheus import Metrics

    families = Metrics(1.0, ["wind"]).registry.collect()
    served = {sample.name for family in families for sample in family.samples}
    for rule in rules():
        used = set(re.findall(r"\b(watch_\w+|up)\b(?!\")", json.dumps(rule)))
        assert used, rule["alert"]
        assert used <= served | SERIES_OF_PROMETHEUS


@needs_tool
def test_promtool_finds_the_rules_sound():
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def series(name, values):
    return {"series": name + '{instance="turbine", job="watch"}', "values": values}


# Minutes of metrics, as promtool writes them, and the alerts that must stand at the end of them.
CASES = {
    "calm": ([series("watch_flags_total", "7x60")], 60, []),
    "one flag is chance": ([series("watch_flags_total", "0x20 1x20")], 40, []),
    "two flags": ([series("watch_flags_total", "0x20 1 2x9")], 30, ["AnomalyFlagged"]),
    "one message, not ten": ([series("watch_flags_total", "0x9 3x49")], 55, ["AnomalyFlagged"]),
    "it ends": ([series("watch_flags_total", "0x9 3x99")], 100, []),
    "silence": ([series("watch_last_row_timestamp_seconds", "0x40")], 40, ["StreamSilent"]),
    "rows come": ([series("watch_last_row_timestamp_seconds", "0+60x40")], 40, []),
    "dead sensor": (
        [series("watch_unscored_total", "2x60 2+1x440"), series("watch_rows_total", "9+1x501")],
        500,
        ["RowsWithoutScore"],
    ),
    "first rows": (
        [series("watch_unscored_total", "0+1x120 120x340"), series("watch_rows_total", "0+1x461")],
        460,
        [],
    ),
    "bad lines": ([series("watch_bad_lines_total", "0+1x60")], 60, ["BadLines"]),
    "few bad lines": ([series("watch_bad_lines_total", "0x30 5x30")], 60, []),
    "down": ([series("up", "1 0x10")], 10, ["WatcherDown"]),
    "down for a moment": ([series("up", "1 0 0 1x10")], 10, []),
}


@needs_tool
@pytest.mark.parametrize("case", CASES)
def test_rules_speak_when_they_should(case, tmp_path):
    given, minute, expected = CASES[case]
    firing = 'count(ALERTS{{alertname="{}", alertstate="firing"}}) or vector(0)'
    checks = [
        {
            "expr": firing.format(rule["alert"]),
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": int(rule["alert"] in expected)}],
        }
        for rule in rules()
    ]
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": checks}],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(words, **options):
    process = subprocess.Popen(words, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def server(folder, target):
    """A Prometheus server with the shipped rules that asks `target` every second."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "watch", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    for _ in range(3):  # somebody else may take the port before the server does
        port = free_port()
        words = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with running(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda url=url, p=process: p.poll() is not None or is_ready(url))
            if process.poll() is None:
                yield url
                return
    pytest.fail("prometheus does not start")


def is_ready(url):
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def ask(url, what, **words):
    query = urllib.parse.urlencode(words)
    with urllib.request.urlopen(f"{url}/api/v1/{what}?{query}", timeout=10) as answer:
        return json.loads(answer.read())["data"]


def value_of(url, query):
    """The one value of a query, or None."""
    result = ask(url, "query", query=query)["result"]
    return float(result[0]["value"][1]) if result else None


@needs_server
def test_an_anomaly_becomes_an_alert(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [line.replace(",3", ",0.1") for line in lines_of(60)]
    path.write_text("\n".join([HEADER, *rows[:40]]) + "\n", encoding="utf-8", newline="\n")
    words = command(path, "--follow", "--port", 0, "--output", tmp_path / "flags.jsonl")
    with running(words, env=environment(), stderr=subprocess.PIPE) as watcher:
        target = re.search(r"http://(\S+)/metrics", watcher.stderr.readline().decode())[1]
        with server(tmp_path, target) as url:
            wait_for(lambda: value_of(url, "watch_rows_total") == 40)
            wait_for(lambda: value_of(url, "count_over_time(watch_flags_total[1m]) > 2"))
            assert value_of(url, "watch_flags_total") == 0
            assert ask(url, "alerts")["alerts"] == []
            with open(path, "a", encoding="utf-8", newline="\n") as file:
                file.writelines(line.replace(",0.1", ",9") + "\n" for line in rows[40:46])
            wait_for(lambda: ask(url, "alerts")["alerts"])
            wait_for(lambda: value_of(url, 'ALERTS{alertstate="firing"}'))
            (alert,) = ask(url, "alerts")["alerts"]
            assert value_of(url, "watch_flags_total") == 6
    assert alert["labels"]["alertname"] == "AnomalyFlagged"
    assert alert["state"] == "firing"
    assert alert["labels"]["instance"] == target
    assert alert["annotations"]["summary"].endswith("rows flagged within 30 minutes")
    assert alert["annotations"]["description"] == "Most to blame: wind."
