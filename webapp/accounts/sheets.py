"""The plain pages of accounts: HTML that works without scripts, every value escaped by the template engine."""

from collections.abc import Mapping
from typing import Any

from jinja2 import DictLoader, Environment
from markupsafe import Markup

from webapp.accounts.browsers import browser_words
from webapp.accounts.list_sheets import NOTICES, SEARCH_PAGE
from webapp.components.top_bar import BELL, SCRIPTS, SEARCH

FRAME = (
    """<!doctype html>
<html lang="en" data-theme="{{ theme }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %} · Halfmap</title>
<link rel="icon" href="assets/halfmap.svg" type="image/svg+xml">
<link rel="stylesheet" href="assets/app.css">
<link rel="stylesheet" href="assets/accounts.css">
<script src="assets/app.js"></script>
{% if visitor %}"""
    + SCRIPTS
    + """{% endif %}
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="top">
<a class="name" href="./"><img src="assets/halfmap.svg" alt="">Halfmap</a>
{% if visitor %}<nav aria-label="Main"><a href="./">Home</a><a href="projects">Projects</a><a href="queue">Queue</a
><a href="help">Help</a></nav>{% endif %}
<span class="room"></span>
{% if visitor %}"""
    + SEARCH
    + BELL
    + """{% endif %}
{% if visitor and visitor.is_admin %}<a class="who" href="admin" {{ here("admin") }}>Admin</a>{% endif %}
{% if visitor %}<a class="who" href="account" {{ here("account") }}>{{ visitor.name }}</a>{% endif %}
<button id="theme" type="button" aria-label="Switch between light and dark">◐</button>
</header>
{% if banner %}<div class="banner" role="status">{{ banner }}</div>{% endif %}
<main id="content" class="plain">
{% if problem %}<p class="notice bad" role="alert">{{ problem }}</p>{% endif %}
{% if good %}<p class="notice good" role="status">{{ good }}</p>{% endif %}
{% block body %}{% endblock %}
</main>
</body>
</html>
"""
)

LOGIN = """{% extends "frame" %}
{% block title %}Sign in{% endblock %}
{% block body %}
<section class="sheet narrow">
<h1>Sign in</h1>
{% if passwords %}
<form method="post" action="login">
{{ xsrf }}<input type="hidden" name="next" value="{{ next }}">
<label>Name <input name="name" value="{{ name }}" autocomplete="username" autocapitalize="none" spellcheck="false"
  required {{ "autofocus" if not name }}></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required
  {{ "autofocus" if name }}></label>
<button class="primary">Sign in</button>
</form>
{% endif %}
{% if oidc %}<p><a class="as-button" href="oidc?next={{ next | urlencode }}">Sign in with {{ oidc }}</a></p>{% endif %}
{% if link %}<p class="faint">Halfmap on this machine lets in whoever opens the link that <code>halfmap serve</code>
prints, once. Start it again, or copy the newest line that begins with <code>Open</code>.</p>
{% else %}<p class="faint">No account, or the password forgotten? An admin sends a link.</p>{% endif %}
</section>
{% endblock %}
"""

INVITATION = """{% extends "frame" %}
{% block title %}Welcome{% endblock %}
{% block body %}
<section class="sheet narrow">
<h1>{{ "New password" if known else "Your account" }}</h1>
<form method="post" action="invitation">
{{ xsrf }}<input type="hidden" name="key" value="{{ key }}">
{% if known %}<p>For the account <b>{{ known }}</b>.</p>
<input type="hidden" name="username" value="{{ known }}" autocomplete="username">
{% else %}
<label>Name to sign in with <input name="name" value="{{ name }}" autocomplete="username" autocapitalize="none"
  spellcheck="false" required pattern="[A-Za-z0-9._@\\-]+" maxlength="64" autofocus></label>
<label>Full name <input name="full_name" value="{{ full_name }}" autocomplete="name" maxlength="200"></label>
{% endif %}
<label>Password <small>{{ shortest }} characters or more; a few words in a row will do</small>
<input name="password" type="password" autocomplete="new-password" required minlength="{{ shortest }}"></label>
<label>The same again <input name="again" type="password" autocomplete="new-password" required></label>
<button class="primary">{{ "Set the password" if known else "Make the account" }}</button>
</form>
</section>
{% endblock %}
"""

NOTE = """{% extends "frame" %}
{% block title %}{{ title }}{% endblock %}
{% block body %}<section class="sheet narrow"><h1>{{ title }}</h1><p>{{ sentence }}</p>
<p><a href="./">Go home</a></p></section>{% endblock %}
"""

ACCOUNT = """{% extends "frame" %}
{% block title %}Account{% endblock %}
{% block body %}
<section class="sheet" tabindex="0">
<h1>{{ user.name }}</h1>
{% if about %}<p class="faint">{{ about | join(" · ") }}</p>{% endif %}
<form method="post" action="account">{{ xsrf }}<input type="hidden" name="action" value="sign_out">
<button>Sign out</button></form>
</section>
{% if new_token %}
<section class="sheet" tabindex="0" aria-label="New token"><h2>New token</h2>
<p>Copy it now, it is not shown again. It may do what you may.</p>
<p><code class="secret" id="new-token">{{ new_token }}</code></p>
</section>
{% endif %}
<section class="sheet" tabindex="0" aria-label="Password"><h2>Password</h2>
<form method="post" action="account">{{ xsrf }}<input type="hidden" name="action" value="password">
<input type="hidden" name="username" value="{{ user.name }}" autocomplete="username">
{% if has_password %}<label>The present one <input name="present" type="password" autocomplete="current-password"
  required></label>{% endif %}
<label>The new one <input name="password" type="password" autocomplete="new-password" required
  minlength="{{ shortest }}"></label>
<label>The same again <input name="again" type="password" autocomplete="new-password" required></label>
<button>{{ "Change" if has_password else "Set" }} the password</button>
<span class="faint">Other browsers are signed out.</span>
</form>
</section>
{% if oidc %}<section class="sheet" tabindex="0" aria-label="Account elsewhere"><h2>Account elsewhere</h2>
<p><a class="as-button" href="oidc">Link {{ oidc }}</a>
<span class="faint">Afterwards it signs you in here, too.</span></p></section>{% endif %}
<section class="sheet" tabindex="0" aria-label="Where you are signed in"><h2>Where you are signed in</h2>
<table><thead><tr><th>Last used</th><th>Since</th><th>From</th><th>Browser</th><th></th></tr></thead><tbody>
{% for one in sessions %}<tr><td>{{ one.seen_at | moment }}</td><td>{{ one.created_at | moment }}</td>
<td>{{ one.address }}</td><td>{{ one.browser | browser }}</td><td>
{% if one.id == session_id %}this browser{% else %}
<form method="post" action="account">{{ xsrf }}<input type="hidden" name="action" value="end_session">
<input type="hidden" name="id" value="{{ one.id }}"><button>End</button></form>{% endif %}</td></tr>
{% endfor %}</tbody></table>
</section>
<section class="sheet" tabindex="0" aria-label="Tokens for programs"><h2>Tokens for programs</h2>
<p class="faint">For the command line and notebooks on other machines: <code>halfmap jobs --server {{ address }}
--token …</code>; the interface is described <a href="api-guide">here</a>.</p>
{% if tokens %}<table><thead><tr><th>Name</th><th>Made</th><th>Last used</th><th>Ends</th><th></th></tr></thead><tbody>
{% for one in tokens %}<tr><td>{{ one.name }}</td><td>{{ one.created_at | moment }}</td>
<td>{{ one.used_at | moment }}</td><td>{{ one.expires_at | moment if one.expires_at else "never" }}</td><td>
<form method="post" action="account">{{ xsrf }}<input type="hidden" name="action" value="revoke_token">
<input type="hidden" name="id" value="{{ one.id }}"><button>Revoke</button></form></td></tr>
{% endfor %}</tbody></table>{% endif %}
<form method="post" action="account" class="row">{{ xsrf }}<input type="hidden" name="action" value="make_token">
<label>Name <input name="name" required maxlength="100" placeholder="laptop"></label>
<label>Good for <select name="days"><option value="30">30 days</option><option value="365">a year</option>
<option value="">ever</option></select></label>
<button>Make a token</button></form>
</section>
{% endblock %}
"""

ADMIN = """{% extends "frame" %}
{% block title %}Admin{% endblock %}
{% block body %}
<h1>Admin</h1>
{% if link %}
<section class="sheet" tabindex="0"><h2>{{ link.title }}</h2>
<p>Send this link; it is good once, until {{ link.expires_at | moment }}, and is not shown again.</p>
<p><code class="secret" id="new-link">{{ link.url }}</code></p></section>
{% endif %}
<section class="sheet" tabindex="0" aria-label="Users"><h2>Users</h2>
<table><thead><tr><th>Name</th><th>Full name</th><th>Admin</th><th>State</th><th>Last seen</th><th></th></tr></thead>
<tbody>{% for one in users %}<tr><td>{{ one.user.name }}</td><td>{{ one.user.full_name }}</td>
<td>{{ "yes" if one.user.is_admin }}</td><td>{{ "open" if one.user.is_active else "closed" }}</td>
<td>{{ one.seen_at | moment }}</td><td class="acts">
{% for action, text in one.acts %}<form method="post" action="admin">{{ xsrf }}
<input type="hidden" name="action" value="{{ action }}"><input type="hidden" name="id" value="{{ one.user.id }}">
<button>{{ text }}</button></form>{% endfor %}</td></tr>{% endfor %}</tbody></table>
</section>
<section class="sheet" tabindex="0" aria-label="Invitations"><h2>Invitations</h2>
{% if invitations %}<table><thead><tr><th>For</th><th>By</th><th>Until</th><th></th></tr></thead><tbody>
{% for one in invitations %}<tr><td>{{ one.words }}</td><td>{{ one.by }}</td><td>{{ one.expires_at | moment }}</td><td>
<form method="post" action="admin">{{ xsrf }}<input type="hidden" name="action" value="withdraw">
<input type="hidden" name="id" value="{{ one.id }}"><button>Withdraw</button></form></td></tr>{% endfor %}
</tbody></table>{% endif %}
<form method="post" action="admin" class="row">{{ xsrf }}<input type="hidden" name="action" value="invite">
<label>For <input name="note" placeholder="Eva, eva@lab.example" maxlength="254"></label>
<label>Group <select name="group"><option value="">none</option>{% for one in groups %}
<option value="{{ one.group.id }}">{{ one.group.name }}</option>{% endfor %}</select></label>
<label class="check"><input type="checkbox" name="is_admin" value="1"> admin</label>
<button class="primary">Invite</button></form>
</section>
<section class="sheet" tabindex="0" aria-label="Lab groups"><h2>Lab groups</h2>
{% for one in groups %}<h3>{{ one.group.name }}</h3>
<p>{% for user in one.members %}<form method="post" action="admin" class="inline">{{ xsrf }}
<input type="hidden" name="action" value="leave_group"><input type="hidden" name="id" value="{{ one.group.id }}">
<input type="hidden" name="user" value="{{ user.id }}">{{ user.name }}
<button aria-label="Take {{ user.name }} out of {{ one.group.name }}">×</button></form> {% endfor %}
{% if not one.members %}<span class="faint">Nobody is in it yet.</span>{% endif %}</p>
<form method="post" action="admin" class="row">{{ xsrf }}<input type="hidden" name="action" value="join_group">
<input type="hidden" name="id" value="{{ one.group.id }}">
<label>Add <select name="user">{% for other in users if other.user.is_active %}
<option value="{{ other.user.id }}">{{ other.user.name }}</option>{% endfor %}</select></label>
<button>Add to {{ one.group.name }}</button></form>{% endfor %}
<form method="post" action="admin" class="row">{{ xsrf }}<input type="hidden" name="action" value="make_group">
<label>New group <input name="name" required maxlength="100"></label><button>Make</button></form>
</section>
<section class="sheet" tabindex="0" aria-label="Banner"><h2>Banner</h2>
<form method="post" action="admin">{{ xsrf }}<input type="hidden" name="action" value="banner">
<label>Above every page, empty for none <input name="text" value="{{ banner }}" maxlength="500"></label>
<button>Put it up</button></form>
</section>
<section class="sheet" tabindex="0" aria-label="This server"><h2>This server</h2>
<p><b id="open-pages">{{ open_pages }}</b> {{ "page is" if open_pages == 1 else "pages are" }} open; it takes
{{ memory_MB }} MB of memory.</p>
</section>
<section class="sheet" tabindex="0" aria-label="Machines"><h2>Machines</h2>
{% if machines %}<table><thead><tr><th>Name</th><th>Cores</th><th>Memory</th><th>GPUs</th><th>In use</th>
<th>Last sign of life</th></tr></thead><tbody>{% for one in machines %}
<tr><td>{{ one.name }}</td><td>{{ one.cores }}</td><td>{{ one.memory }}</td><td>{{ one.gpus }}</td>
<td>{{ one.held }}</td><td>{{ one.seen_at | moment }}</td></tr>{% endfor %}</tbody></table>
{% else %}<p class="faint">No supervisor has told of a machine yet.</p>{% endif %}
{% if profiles %}<p class="faint">Jobs can be started by {{ profiles | join(", ") }}; this is set in
{{ settings_file }}.</p>
{% endif %}
</section>
<section class="sheet" tabindex="0" aria-label="Data folders"><h2>Data folders</h2>
<table><thead><tr><th>Folder</th><th>State</th></tr></thead><tbody>{% for one in roots %}
<tr><td><code>{{ one.path }}</code></td><td>{{ one.words }}</td></tr>{% endfor %}</tbody></table>
<p class="faint">They are set in {{ settings_file }} (<code>data_roots</code>).</p>
</section>
<section class="sheet" tabindex="0" aria-label="What happened"><h2>What happened</h2>
<table><thead><tr><th>When</th><th>Who</th><th>What</th><th>Subject</th></tr></thead><tbody>
{% for one in audit %}<tr><td>{{ one.time | moment }}</td><td>{{ one.who or "Halfmap" }}</td><td>{{ one.action }}</td>
<td>{% if one.url %}<a href="{{ one.url }}">{{ one.subject }}</a>{% else %}{{ one.subject }}{% endif %}
{% if one.project %}<span class="faint"> in {{ one.project }}</span>{% endif %}</td></tr>{% endfor %}</tbody></table>
{% if older %}<p><a href="admin?before={{ older }}#content">Older</a></p>{% endif %}
</section>
{% endblock %}
"""
GUIDE = """{% extends "frame" %}
{% block title %}Interface for programs{% endblock %}
{% block body %}
<h1>Interface for programs</h1>
<section class="sheet" tabindex="0"><p>JSON at <code>{{ address }}/api/v1</code>, described for tools by
<a href="api/v1/openapi.json">openapi.json</a>. Every request shows a token, made on your <a href="account">account</a>
page or with <code>halfmap token make</code>; it may do what you may.</p>
<p>From another machine: <code>halfmap jobs --server {{ address }} --token …</code>, or in a notebook
<code>webapp.client.connect_to("{{ address }}", "halfmap_…")</code>.</p>
<p>What goes wrong comes as <code>{"error": "one sentence"}</code>:
{% for status, words in problems.items() %}<b>{{ status }}</b> {{ words }}{{ "; " if not loop.last }}{% endfor %}.</p>
</section>
{% for one in endpoints %}<section class="sheet" tabindex="0"><h2><code>{{ one.method }} {{ one.path }}</code></h2>
<p>{{ one.summary }}</p>
{% if one.takes %}<table><thead><tr><th>Name</th><th>Where</th><th>What</th><th></th></tr></thead><tbody>
{% for value in one.takes %}<tr><td><code>{{ value.name }}</code></td><td>{{ value.where }}</td>
<td>{{ value.words }}</td><td>{{ value.needed }}</td></tr>{% endfor %}</tbody></table>{% endif %}
<pre><code>{{ one.example }}</code></pre></section>{% endfor %}
{% endblock %}
"""
SHEETS = {
    "frame": FRAME,
    "login": LOGIN,
    "invitation": INVITATION,
    "note": NOTE,
    "account": ACCOUNT,
    "admin": ADMIN,
    "guide": GUIDE,
    "search": SEARCH_PAGE,
    "notices": NOTICES,
}


def sheet(name: str, values: Mapping[str, Any]) -> str:
    """A page, filled with values."""
    environment = Environment(loader=DictLoader(SHEETS), autoescape=True, trim_blocks=True)
    environment.filters["moment"] = _moment
    environment.filters["browser"] = browser_words
    environment.globals["here"] = lambda page: Markup('aria-current="page"') if page == name else ""
    return environment.get_template(name).render(values)


def _moment(value: Any) -> str:
    return value.astimezone().strftime("%Y-%m-%d %H:%M") if value is not None else ""
