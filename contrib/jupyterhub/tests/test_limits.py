# SPDX-License-Identifier: MIT
"""limits.py and form.py: what may be asked for, and the form."""

import os
import re

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub_spank_spawner import SpankSpawner, form, limits
from jupyterhub_spank_spawner.errors import Refused
from traitlets.config import Config

RULES = {
    "": {"partition": ["main"], "nodes": 2, "time": "4:00:00", "workers": ["dask"], "memory": "16G"},
    "gpu": {"partition": ["gpu", "main"], "gpus": 4, "time": "1-00:00:00", "memory": "512M"},
    "staff": {"account": ["*"], "nodes": 64, "workers_per_node": 32},
}


def test_the_widest_limit_counts():
    assert limits.merged(RULES, []) == RULES[""]
    assert limits.merged(RULES, ["gpu", "staff", "unheard-of"]) == {
        "partition": ["main", "gpu"], "nodes": 64, "time": "1-00:00:00", "workers": ["dask"], "memory": "16G",
        "gpus": 4, "account": ["*"], "workers_per_node": 32,
    }


@pytest.mark.parametrize("rule", [
    {"queue": ["x"]}, {"partition": "main"}, {"nodes": "2"}, {"nodes": True}, {"time": 60}, {"time": "soon"}, {"memory": "x"},
])
def test_settings_that_cannot_be_meant(rule):
    with pytest.raises(ValueError, match="limits"):
        limits.merged({"": rule}, [])


def test_words():
    mine = limits.merged(RULES, ["gpu", "staff"])
    options = {
        "partition": "gpu", "nodes": "3", "time": "90", "workers": ["dask"], "workers_per_node": 4, "gpus": 1,
        "account": "proj-1", "memory": "2G",
    }
    assert limits.words(limits.checked(options, mine, {})) == [
        "--partition=gpu", "--account=proj-1", "--nodes=3", "--time=90", "--mem=2G", "--gpus-per-node=1",
        "--ntasks-per-node=1", "--jupyter-workers=dask:4",
    ]
    assert limits.words(limits.checked({"workers": ["dask"], "nodes": None}, mine, {})) == ["--jupyter-workers=dask"]
    assert limits.words(limits.checked({"gpus": 0}, mine, {})) == []


@pytest.mark.parametrize("options", [
    {"partition": "gpu"}, {"partition": ["main"]}, {"partition": "main --exclusive"}, {"partition": "-x"}, {"partition": 1},
    {"nodes": 3}, {"nodes": "0"}, {"nodes": -1}, {"nodes": 1.5}, {"nodes": True}, {"nodes": "1\n"}, {"nodes": "٣"},
    {"time": "4:00:01"}, {"time": "0"}, {"time": "-1"}, {"time": "UNLIMITED"}, {"time": [60]}, {"time": "241"},
    {"workers": ["spark"]}, {"workers": ["dask", "../x"]}, {"workers": {"dask": 1}}, {"workers": ["dask"] * 33},
    {"gpus": 1}, {"account": "a"}, {"qos": "high"}, {"memory": "17G"}, {"memory": "16G;"}, {"memory": "0"}, {1: 2},
])
def test_refused(options):
    with pytest.raises(Refused) as error:
        limits.checked(options, limits.merged(RULES, []), {})
    assert error.value.status_code == 400 and error.value.jupyterhub_message


def test_a_profile_is_the_sites_own():
    fixed = {"partition": "gpu", "gpus": 2, "nodes": 8}
    mine = limits.merged(RULES, [])
    assert limits.checked({"partition": "main", "nodes": 1, "time": "10"}, mine, fixed) == {
        "partition": "gpu", "nodes": 8, "time": "10", "gpus": 2,
    }


@pytest.mark.parametrize("text, seconds", [
    ("30", 1800), ("30:15", 1815), ("2:00:00", 7200), ("1-12", 129600), ("1-12:30", 131400), ("1-00:00:01", 86401),
    ("", None), ("1-", None), ("1:2:3:4", None), ("x", None),
])
def test_times(text, seconds):
    assert limits.time_seconds(text) == seconds


def test_from_form():
    assert form.from_form({"_xsrf": ["t"], "nodes": [" 2 "], "workers": ["dask", ""], "account": [""], "profile": ["own"]}) == {
        "nodes": "2", "workers": ["dask"], "profile": "own",
    }
    for data in ({"nodes": ["1", "2"]}, {"evil": ["1"]}):
        with pytest.raises(Refused):
            form.from_form(data)


PROFILES = [
    {"name": "small", "title": "Small <1 h>", "options": {"time": "1:00:00"}},
    {"name": "big", "groups": ["staff"], "options": {"nodes": 8}},
]


def test_profiles():
    assert list(form.profiles_for(PROFILES, set())) == ["small"]
    assert list(form.profiles_for(PROFILES, {"staff"})) == ["small", "big"]
    for profile in ({"title": "x"}, {"name": "x", "options": {"queue": 1}}, {"name": "x", "option": {}}):
        with pytest.raises(ValueError):
            form.profiles_for([profile], set())


def test_markup():
    mine = limits.merged(RULES, ["gpu", "staff"])
    page = form.markup(mine, form.profiles_for(PROFILES, set()), {"partition": "gpu", "account": '"><script>', "workers": ["dask"]}, {})
    names = re.findall(r' name="([a-z_]+)"', page)
    assert names == ["profile", "partition", "account", "nodes", "time", "memory", "gpus", "workers", "workers_per_node"]
    assert '<option value="gpu" selected>' in page and "Small &lt;1 h&gt;" in page
    assert "<script>" not in page and "&quot;&gt;&lt;script&gt;" in page
    assert 'value="dask" checked' in page and 'max="64"' in page


def test_nothing_to_choose_is_no_form():
    assert form.markup({}, {}, {}, {}) == ""
    assert form.markup({"gpus": 0, "account": []}, {}, {}, {}) == ""


def test_the_example_configuration():
    path = os.path.join(os.path.dirname(__file__), os.pardir, "examples", "jupyterhub_config.py")
    config = Config()
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), {"get_config": lambda: config})
    mine = config.SpankSpawner
    known = set(SpankSpawner.class_trait_names(config=True))
    assert set(mine) <= known and set(config.JupyterHub) <= set(JupyterHub.class_trait_names(config=True))
    for groups in (set(), {"staff", "course"}):
        user_limits = limits.merged(mine.limits, groups)
        profiles = form.profiles_for(mine.profiles, groups)
        assert 'name="partition"' in form.markup(user_limits, profiles, mine.defaults, {})
        for profile in profiles.values():
            assert limits.words(limits.checked(dict(mine.defaults), user_limits, profile["options"]))
