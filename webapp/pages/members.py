"""The members of a project, for owners with the means to change them; and what has happened in it."""

import html
from collections.abc import Callable

import panel as pn

from compute.files.errors import InputError
from db.words import ROLES, Role
from webapp import sharing
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.frame import card
from webapp.store import Store

NOBODY = "no group"
EXPLAINED = (
    "Viewers look at everything and comment, editors start and change jobs, owners also decide who is a member. "
    "Admins may do everything everywhere."
)


class MembersTab(pn.viewable.Viewer):
    """Who may do what in a project."""

    def __init__(self, store: Store, project_id: int, **params: object) -> None:
        super().__init__(**params)
        self._store, self._project_id = store, project_id
        self._table = Table(
            columns=[
                {"key": "name", "label": "Who"},
                {"key": "full_name", "label": "Name"},
                {"key": "role", "label": "Role"},
            ],
            caption="members",
            empty="Nobody has a role of their own here.",
            has_tools=False,
            sizing_mode="stretch_width",
        )
        self._who = pn.widgets.Select(label="Person", options=[], width=220)
        self._role = pn.widgets.Select(label="Role", options=[str(one) for one in ROLES], width=120)
        self._group = pn.widgets.Select(label="Lab group", options=[NOBODY], width=220)
        self._group_role = pn.widgets.Select(
            label="Role of the group", options=[str(one) for one in ROLES], width=140
        )
        self._problem = Words("", sizing_mode="stretch_width", visible=False)
        self._changes = pn.Column(visible=False, sizing_mode="stretch_width")
        self._changes[:] = [
            pn.FlexBox(
                self._who,
                self._role,
                self._button("Give this role", self._give, "primary"),
                self._button("Take out", self._take_out),
                align_items="end",
            ),
            pn.FlexBox(
                self._group,
                self._group_role,
                self._button("Open to the group", self._open),
                align_items="end",
            ),
            self._problem,
        ]
        self._panel = card("Members", self._table, self._changes, help_text=EXPLAINED)
        self._show()

    def _button(
        self, text: str, act: Callable[[], None], kind: str = "default"
    ) -> pn.widgets.Button:
        button = pn.widgets.Button(label=text, button_type=kind, align="end")
        button.on_click(lambda _: self._try(act))
        return button

    def _show(self) -> None:
        found = sharing.show(self._store, self._project_id)
        rows = [
            {"name": user.name, "full_name": user.full_name, "role": str(role)}
            for user, role in found.members
        ]
        if found.group is not None:
            rows.append(
                {
                    "name": f"group {found.group.name}",
                    "full_name": "everybody in it",
                    "role": str(found.group_role),
                }
            )
        self._table.rows = rows
        self._changes.visible = found.can_change
        if not found.can_change:
            return
        self._who.options = [user.name for user in found.users]
        self._group.options = [NOBODY, *(group.name for group in found.groups)]
        self._group.value = found.group.name if found.group is not None else NOBODY
        self._group_role.value = str(found.group_role)

    def _give(self) -> None:
        role = Role(self._role.value)
        sharing.set_role(self._store, self._project_id, self._who.value or "", role)

    def _take_out(self) -> None:
        sharing.set_role(self._store, self._project_id, self._who.value or "", None)

    def _open(self) -> None:
        name = "" if self._group.value == NOBODY else self._group.value
        sharing.set_group(self._store, self._project_id, name, Role(self._group_role.value))

    def _try(self, act: Callable[[], None]) -> None:
        """Ask for a change; a refusal is told in its own sentence."""
        try:
            act()
            self._problem.param.update(object="", visible=False)
            self._show()
        except InputError as error:
            text = html.escape(str(error))
            words = f'<p class="notice bad" role="alert">{text}</p>'
            self._problem.param.update(object=words, visible=True)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def activity_card(store: Store, project_id: int) -> pn.Column:
    """Who did what in a project, newest first."""
    rows = [
        {
            "time": f"{one.time.astimezone():%Y-%m-%d %H:%M}",
            "who": one.who,
            "action": one.action,
            "subject": one.subject,
            "url": f"job?id={one.job_id}" if one.job_id is not None else "",
        }
        for one in sharing.activity(store, project_id)
    ]
    table = Table(
        columns=[
            {"key": "time", "label": "When"},
            {"key": "who", "label": "Who"},
            {"key": "action", "label": "What"},
            {"key": "subject", "label": "Subject", "link": "url"},
        ],
        rows=rows,
        caption="what happened",
        file_name="activity",
        empty="Nothing has happened yet.",
        sizing_mode="stretch_width",
    )
    return card("Activity", table, sub="the newest hundred")
