# SPDX-License-Identifier: MIT
"""The form of a spawn: a profile, and those fields that the user's limits offer.

Used by spawner.py in the hub's process.  It works without scripts; what it sends is checked by limits.py.
"""

from html import escape

from .errors import Refused
from .limits import ANY, FIELDS, Choice, Number, Several

# The name of the profile that leaves everything to the fields.
OWN = ""


def profiles_for(profiles, groups):
    """Args: profiles (list of dicts: name, title, options, groups), groups (set of str).  Returns: those that
    the user may take, by name, as a dict.  Raises: ValueError for a profile that cannot be meant."""
    result = {}
    for profile in profiles:
        unknown = set(profile) - {"name", "title", "options", "groups"}
        if unknown or not profile.get("name") or set(profile.get("options", {})) - set(FIELDS):
            raise ValueError("profiles: not a profile: %.200r" % (profile,))
        if "groups" not in profile or groups & set(profile["groups"]):
            result[profile["name"]] = profile
    return result


def from_form(data):
    """Args: data ({str: [str]}, of the posted form).  Returns: options (dict), one value for each field but for
    those that take several.  Raises: Refused."""
    options = {}
    for name, values in data.items():
        if name == "_xsrf":
            continue
        field = FIELDS.get(name)
        if field is None and name != "profile":
            raise Refused(400, "there is no option %.64r" % name)
        if isinstance(field, Several):
            options[name] = [value for value in values if value]
        elif len(values) != 1:
            raise Refused(400, "the option %s is given more than once" % name)
        elif values[0].strip():
            options[name] = values[0].strip()
    return options


def markup(limits, profiles, values, titles):
    """The inside of the form.

    Args: limits (of limits.merged()), profiles (of profiles_for()), values ({field: value} to begin with),
    titles ({app: title}).  Returns: HTML (str), "" where there is nothing to choose.
    """
    rows = []
    if profiles:
        choices = _profile_choices(profiles, limits)
        rows.append(_row("profile", "Profile", _select("profile", choices, values.get("profile"))))
    for name, field in FIELDS.items():
        if name not in limits:
            continue
        limit, value = limits[name], values.get(name)
        if isinstance(field, Choice) and not limit or isinstance(field, Number) and limit < max(field.least, 1):
            continue
        if isinstance(field, Several):
            rows.append(_boxes(field, limit, value or []))
        elif isinstance(field, Choice):
            rows.append(_row(name, field.title, _choice(field, limit, value, titles)))
        else:
            rows.append(_row(name, field.title, _input(field, limit, value)))
    if not rows:
        return ""
    note = "<p>A profile's own settings come before what is chosen below.</p>" if profiles and len(rows) > 1 else ""
    return rows[0] + note + "".join(rows[1:]) if profiles else "".join(rows)


def _profile_choices(profiles, limits):
    choices = [(name, profile.get("title", name)) for name, profile in profiles.items()]
    return choices + [(OWN, "My own settings")] if limits else choices


def _row(name, title, control):
    return '<div class="form-group mb-2"><label class="form-label" for="spank-%s">%s</label>%s</div>' % (
        name,
        escape(title),
        control,
    )


def _select(name, choices, value):
    options = "".join(
        '<option value="%s"%s>%s</option>' % (escape(choice), " selected" if choice == value else "", escape(title))
        for choice, title in choices
    )
    return '<select class="form-control form-select" id="spank-%s" name="%s">%s</select>' % (name, name, options)


def _choice(field, limit, value, titles):
    if ANY in limit:
        return '<input class="form-control" id="spank-%s" name="%s" value="%s" maxlength="64" list="spank-%s-list">' % (
            field.name,
            field.name,
            escape(value or ""),
            field.name,
        ) + '<datalist id="spank-%s-list">%s</datalist>' % (
            field.name,
            "".join('<option value="%s">' % escape(choice) for choice in limit if choice != ANY),
        )
    choices = [(choice, titles.get(choice, choice) if field.name == "app" else choice) for choice in limit]
    if field.name in ("account", "reservation"):
        choices.insert(0, ("", "default" if field.name == "account" else "none"))
    return _select(field.name, choices, value)


def _input(field, limit, value):
    shown = "" if value is None else escape(str(value))
    if isinstance(field, Number):
        kind = 'type="number" min="%d" max="%d"' % (field.least, limit)
    else:
        kind = 'type="text" maxlength="20"'
    hint = "; ".join(part for part in (field.hint, "at most %s" % limit) if part)
    return '<input class="form-control" id="spank-%s" name="%s" %s value="%s" placeholder="%s">' % (
        field.name,
        field.name,
        kind,
        shown,
        escape(hint),
    )


def _boxes(field, limit, value):
    boxes = "".join(
        '<label class="form-check-label me-3" style="margin-right: 1em">'
        '<input class="form-check-input" type="checkbox" name="%s" value="%s"%s> %s</label>'
        % (field.name, escape(choice), " checked" if choice in value else "", escape(choice))
        for choice in limit
        if choice != ANY
    )
    return '<div class="form-group mb-2" id="spank-%s"><span class="form-label">%s</span><br>%s</div>' % (
        field.name,
        escape(field.title),
        boxes,
    )
