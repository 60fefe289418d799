"""The page of a new job: a form in the chapter's order, checked while it is typed, with the exact command."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import panel as pn

from compute.files.errors import InputError
from compute.files.given_text import is_number
from compute.params.refine import RefineParams
from db.folders import output_root
from webapp.command_line import command_line
from webapp.components.derived import is_matching, refine_facts
from webapp.components.fields import Field, is_advanced, label, same
from webapp.components.go import Go
from webapp.components.look import Look
from webapp.components.mending import Mending, state_html
from webapp.components.parameter_form import FILES, ParameterForm
from webapp.components.tick import Tick
from webapp.components.words import Words
from webapp.job_names import type_name
from webapp.options import details
from webapp.pages.background import Background
from webapp.pages.class_choice import ClassChoice
from webapp.pages.form_before import JobsBefore
from webapp.pages.form_files import LOOKED_AT, FormFiles, Place
from webapp.pages.form_machine import machine, share
from webapp.pages.form_needs import FormNeeds
from webapp.pages.form_presets import Presets
from webapp.pages.form_type import type_choice
from webapp.pages.frame import card
from webapp.store import Store


class FormPage(pn.viewable.Viewer):
    """A form for one type of job; what is filled in is kept as a draft until it runs."""

    def __init__(
        self,
        store: Store,
        background: Background,
        look: Look,
        query: Mapping[str, str],
        **params: object,
    ) -> None:
        super().__init__(**params)
        self._store, self._background, self._look = store, background, look
        self._source = store.job(int(query["from"])) if is_number(query.get("from", "")) else None
        self._type = self._source.job.type if self._source else query.get("type", "refine")
        if self._type not in store.job_types:
            raise InputError(f"there is no type of job '{self._type}'")
        self._is_filling = True
        model, text = store.job_types[self._type]
        self.title = f"New job: {type_name(self._type)}"
        self._form = ParameterForm(model, self._changed, self._browse)
        self._project = self._project_choice(query)
        place = Place(self._folder, store.roots, store.closed_folders(), self._is_promised)
        self._files = FormFiles(self._form, background, place, self._draw)
        self._before = JobsBefore(
            store,
            background,
            self._form,
            self._files,
            lambda: self._project.value,
            self._complain,
        )
        self._needs = FormNeeds(store, background)
        self._presets = Presets(store, self._type, self._form, self._preset_taken, self._complain)
        self._parts(text)
        self._panel = self._layout(text)
        self._fill_first(query)
        self._is_filling = False
        self._changed("")

    def _project_choice(self, query: Mapping[str, str]) -> pn.widgets.Select:
        lines = self._store.projects()
        options = {line.project.name: line.project.id for line in lines}
        wanted = self._source.project.id if self._source else None
        if wanted is None and is_number(query.get("project", "")):
            wanted = int(query["project"])
        if wanted not in options.values():
            wanted = next(iter(options.values()), None)
        return pn.widgets.Select(label="Project", options=options, value=wanted, width=260)

    def _parts(self, text: str) -> None:
        """The widgets around the fields."""
        self._types = type_choice(self._store.job_types, self._type)
        self._title = pn.widgets.TextInput(label="Title", width=260)
        self._advanced = Tick(text="Advanced fields")
        self._advanced.param.watch(lambda _: self._reveal(), "value")
        self._summary = Words("", sizing_mode="stretch_width")
        self._mending = Mending(sizing_mode="stretch_width", margin=(0, 10))
        self._command = Words("", sizing_mode="stretch_width")
        self._run = pn.widgets.Button(label="Run", color="primary", width=110)
        self._run.on_click(lambda _: self.run())
        self._go = Go()

    def _folder(self) -> Path | None:
        """The folder of the chosen project."""
        if self._project.value is None:
            return None
        return Path(self._store.project(self._project.value)[0].folder)

    def _is_promised(self, path: str) -> bool:
        return self._project.value is not None and self._store.is_promised(
            self._project.value, path
        )

    def _layout(self, text: str) -> pn.viewable.Viewable:
        groups: dict[str, list[pn.viewable.Viewable]] = {}
        self._group_cards: dict[str, pn.Column] = {}
        self._groups = groups
        for name, one in self._form.fields.items():
            groups.setdefault(details(one.info)["group"], []).append(one.row)
            if self._type == "refine" and name in ("particles", "reference"):
                before = self._before
                button = before.classes.button if name == "particles" else before.match
                groups[details(one.info)["group"]].append(button)
        for group, rows in groups.items():
            self._group_cards[group] = card(
                group, pn.Column(*rows, css_classes=["form-grid"], sizing_mode="stretch_width")
            )
        self._reveal()
        return pn.Column(
            card(
                self.title,
                pn.FlexBox(
                    self._project,
                    self._types,
                    self._title,
                    self._presets.choice,
                    self._advanced,
                    align_items="end",
                ),
                sub=text,
            ),
            self._files.card,
            self._before.classes.card,
            *self._group_cards.values(),
            card(
                "Run",
                self._summary,
                self._mending,
                self._needs.panel,
                self._command,
                self._go,
                pn.FlexBox(self._run, self._presets.name, self._presets.save, align_items="center"),
            ),
            sizing_mode="stretch_width",
        )

    def _reveal(self) -> None:
        """Show the advanced fields, or only the basic ones and those that are set or wrong."""
        for one in self._form.fields.values():
            one.row.visible = (
                self._advanced.value
                or not is_advanced(one.info)
                or bool(one.error)
                or one.is_marked
            )
        for group, rows in self._groups.items():
            self._group_cards[group].visible = any(row.visible for row in rows)

    def _fill_first(self, query: Mapping[str, str]) -> None:
        """Fill the form: from the job that is cloned, from the address, or else from the draft."""
        given = {name: value for name, value in query.items() if name in self._form.fields}
        if self._source is not None:
            self._form.fill(self._source.job.parameters)
            self._title.value = self._source.job.title
        elif self._project.value is not None and not given:
            draft = self._store.draft(self._project.value, self._type)
            if draft:
                self._form.fill(draft)
        self._form.fill(given)

    def _preset_taken(self, values: Mapping[str, Any]) -> None:
        self._is_filling = True
        self._form.fill(values)
        self._is_filling = False
        self._changed("")

    def _changed(self, name: str) -> None:
        """After every change: look at the files that are named, check, and say what follows."""
        if self._is_filling:
            return
        for field in LOOKED_AT:
            if field in self._form.fields and name in ("", field):
                self._files.look_at(field)
        self._draw()
        if self._project.value is not None and name:
            values, project, kind = self._form.given(), self._project.value, self._type
            self._background.run(
                "draft", lambda: self._store.save_draft(project, kind, values), lambda _: None
            )

    def _draw(self) -> None:
        """Errors, derived values, changes, and the command."""
        self._facts()
        self._mark_changes()
        self._checked = self._form.check(output_root(self._type, 1))
        self._files.complain()
        self._say_needs()
        self._summarise()
        self._reveal()

    def _facts(self) -> None:
        for one in self._form.fields.values():
            one.fact, one.fact_kind = "", ""
        if self._type != "refine":
            return
        particles, reference = self._files.particles, self._files.reference
        values = self._form.values()
        facts = refine_facts(
            values, particles, reference, share(values), machine(self._folder() or Path.cwd())
        )
        for name, fact in facts.items():
            self._form.fields[name].fact = html.escape(fact.text)
            self._form.fields[name].fact_kind = fact.kind
        self._before.match.visible = (
            particles is not None
            and reference is not None
            and "rescale" in self._store.job_types
            and not is_matching(particles, reference, reference.pixel_size_A)
        )

    def _say_needs(self) -> None:
        """What the job takes, where all that decides on it is known and right."""
        if self._type == "refine":
            params = self._checked if not self.errors else None
            asked = params if isinstance(params, RefineParams) else None
            here = machine(self._folder() or Path.cwd())
            self._needs.draw(asked, self._files.particles, share(self._form.values()), here)

    def _mark_changes(self) -> None:
        """Mark what differs from the job that is cloned."""
        if self._source is None:
            return
        before = self._source.job.parameters
        for name, one in self._form.fields.items():
            default = before.get(name, one.info.get_default())
            one.is_marked = not same(one.value, default)

    def _summarise(self) -> None:
        wrong = self._form.wrong()
        if self._project.value is None:
            wrong = [("", "Project: make one first on the page Projects."), *wrong]
        self._mending.wrong = wrong
        self._summary.object = state_html(len(wrong), self._form.missing())
        changed = [label(name).lower() for name in self._form.given() if name not in FILES]
        words = f"Changed from default: {', '.join(changed)}." if changed else "All as by default."
        command = html.escape(command_line(self._type, self._form.given()))
        words = f'<p class="faint">{html.escape(words)}</p>'
        self._command.object = f'{words}<pre class="command">{command}</pre>'

    def _browse(self, name: str, endings: tuple[str, ...]) -> None:
        self._files.browse(name, endings)

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields by parameter."""
        return self._form.fields

    @property
    def classes(self) -> ClassChoice:
        """Where a class of a classification is chosen."""
        return self._before.classes

    @property
    def errors(self) -> list[str]:
        """All that is wrong, as the summary lists it."""
        return self._form.errors()

    def run(self) -> None:
        """Put the job into the queue, where nothing is wrong."""
        self._form.touch()
        self._draw()
        if self._checked is None or self._form.errors() or self._project.value is None:
            self._mending.turn += 1
            return
        given, project = self._form.given(), self._project.value
        try:
            made = self._store.submit(project, self._type, given, title=self._title.value or "")
            self._store.forget_draft(project, self._type)
        except InputError as error:
            self._complain(str(error))
            return
        self._run.disabled = True
        link = f'<a id="made" href="job?id={made.id}">watch it</a>'
        self._summary.object = f'<p class="notice good">{made.name} is in the queue: {link}</p>'
        self._go.address = f"job?id={made.id}"

    def _complain(self, sentence: str) -> None:
        self._summary.object = f'<p class="notice bad" role="alert">{html.escape(sentence)}</p>'

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
