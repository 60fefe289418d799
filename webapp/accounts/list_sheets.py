"""The plain pages of what a search finds and of what somebody is told."""

SEARCH_PAGE = """{% extends "frame" %}
{% block title %}{{ q or "Search" }}{% endblock %}
{% block body %}
<h1>{% if q %}Found for “{{ q }}”{% else %}Search{% endif %}</h1>
<form class="big-search" action="search" role="search"><input type="search" name="q" value="{{ q }}" maxlength="200"
  aria-label="Search for"><button class="primary">Search</button></form>
{% if wrong %}<p class="notice warn" role="status">{{ wrong }}</p>{% endif %}
{% if projects %}<section><h2>Projects</h2><div class="hits">
{% for one in projects %}<a class="hit" href="{{ one.url }}"><span class="line">
{% if one.is_starred %}<span class="starred" title="starred">★</span>{% endif %}
<b>{{ one.name }}</b><span class="grow"></span><small>{{ one.jobs }} {{
  "job" if one.jobs == 1 else "jobs" }}</small></span>
{% if one.place %}<small class="quote">{{ one.place }}: {{ one.excerpt }}</small>{% endif %}</a>
{% endfor %}</div></section>{% endif %}
{% if jobs %}<section><h2>Jobs{% if before %} from {{ before + 1 }} on{% endif %}</h2><div class="hits">
{% for one in jobs %}<a class="hit" href="{{ one.url }}"><span class="line">
{% if one.is_starred %}<span class="starred" title="starred">★</span>{% endif %}
<b class="number">{{ one.number }}</b><span>{{ one.title or one.type }}</span>
{% for tag in one.tags %}<span class="tag">{{ tag }}</span>{% endfor %}<span class="grow"></span>
{% if one.resolution_A %}<small>{{ "%.2f" | format(one.resolution_A) }} Å</small>{% endif %}
<span class="chip {{ one.state }}">{{ one.state }}</span></span>
<small class="about">{{ one.project }} · {{ one.type }}{% if one.author %} · {{ one.author }}{% endif %}</small>
{% if one.place %}<small class="quote">{{ one.place }}: {{ one.excerpt }}</small>{% endif %}</a>
{% endfor %}</div></section>{% endif %}
{% if q and not projects and not jobs and not wrong %}<p>Nothing that you see has all of these words.</p>{% endif %}
{% if more %}<p><a class="as-button" href="search?q={{ q | urlencode }}&amp;before={{ more }}">More jobs</a></p>
{% endif %}
<section class="sheet"><h2>What can be asked for</h2>
<dl class="facts-list">
<dt><code>d2 64</code></dt><dd>all these words, in titles, notes, comments, tags, types, names of files and people</dd>
<dt><code>"64 px"</code></dt><dd>these words in this order</dd>
<dt><code>19</code></dt><dd>a job by its number</dd>
<dt><code>tag:best</code> or <code>#best</code></dt><dd>jobs with this tag</dd>
<dt><code>state:failed</code></dt><dd>draft, waiting, running, finished, failed, stopped …</dd>
<dt><code>type:refine</code></dt><dd>jobs of this type</dd>
<dt><code>by:me</code></dt><dd>whose jobs or projects</dd>
<dt><code>in:beta</code></dt><dd>only in this project</dd>
<dt><code>is:starred</code></dt><dd>what has your star</dd>
</dl></section>
{% endblock %}
"""
NOTICES = """{% extends "frame" %}
{% block title %}Notices{% endblock %}
{% block body %}
<h1>Notices</h1>
<p class="faint">You are told when jobs of yours end or wait, when somebody calls you by @name in a comment, and when a
project is shared with you.</p>
<div class="notice-acts"><form method="post" action="notices">{{ xsrf }}<input type="hidden" name="up_to"
  value="{{ newest }}"><button {{ "disabled" if not unread }}>Mark all read</button></form>
<span data-notify></span></div>
{% if not notices %}<p>Nothing yet.</p>{% endif %}
<div class="hits">
{% for one in notices %}<a class="notice-line {{ "unread" if not one.is_read }}" href="{{ one.url }}">
<span class="news {{ one.news }}" aria-hidden="true"></span><span class="words"><b>{{ one.sentence }}</b>
{% if one.text and one.news != "shared" %}<span class="said">{{ one.text }}</span>{% endif %}
<small>{{ one.project }} · {{ one.made_at | moment }}{% if not one.is_read %} · new{% endif %}</small></span></a>
{% endfor %}</div>
{% if older %}<p><a class="as-button" href="notices?before={{ older }}">Older</a></p>{% endif %}
{% endblock %}
"""
