"""The page of a job: its state in one sentence, its iterations, and a tab for each way of looking at it."""

import panel as pn
import param

from compute.files.events import Iteration
from db.words import ENDED, State
from webapp.components.headline import hero_html
from webapp.components.look import Look
from webapp.components.tick import tick_for
from webapp.components.words import Words
from webapp.news import Found
from webapp.pages import job_tabs, refine_tabs
from webapp.pages.background import Background
from webapp.pages.following import Following
from webapp.pages.frame import failure_card, record_failure
from webapp.pages.job_actions import Actions
from webapp.pages.moments import after_sending, every
from webapp.pages.shown import Shown
from webapp.pages.talk_tab import marks_line
from webapp.pages.waiting import READING, said
from webapp.records import JobRecords
from webapp.store import Store
from webapp.views import JobView

HEAD_MS = 1000
"""How often the head tells the time that is left, also where nothing has happened."""
NOTHING_YET = '<p class="notice">The first figures come with the first iteration. The log tells what happens.</p>'
NOT_BEGUN = (
    '<p class="notice">It has not begun yet: the first figures come with its first iteration.</p>'
)
NOTHING_CAME = '<p class="notice">It ended before its first iteration: there are no figures. The log tells why.</p>'


class JobPage(pn.viewable.Viewer):
    """One job, live. The address keeps job, iteration and tab, so that a link opens just that."""

    iteration = param.Integer(default=0)
    follows = param.Boolean(default=True, label="follow newest")
    tab = param.String(default="")

    def __init__(
        self,
        store: Store,
        background: Background,
        following: Following,
        look: Look,
        job_id: int,
        **params: object,
    ) -> None:
        super().__init__(**params)
        self._store, self._background, self._look = store, background, look
        view = store.job(job_id)
        self._is_refinement = view.job.type == "refine"
        self._seen: tuple[object, ...] = ()
        self._shown = Shown(view, store.job_records(view), None)
        self._tabs: dict[str, refine_tabs.Tab] = {}
        self._hero = Words("", sizing_mode="stretch_width")
        self._actions = Actions(store, self._changed)
        around = job_tabs.Surroundings(lambda: self._shown, look, store, background, self._choose)
        self._makers = job_tabs.tab_makers(view, around)
        self._slider = pn.widgets.IntSlider(label="Iteration", start=0, end=1, width=340)
        self._newer = Words("")
        self._places = {
            name: pn.Column(said(READING), sizing_mode="stretch_width") for name in self._makers
        }
        self._tab_bar = pn.Tabs(
            *[(title, self._places[name]) for name, (title, _) in self._makers.items()],
            dynamic=True,
            sizing_mode="stretch_width",
        )
        self._panel = self._layout()
        if self.tab in self._makers:
            self._tab_bar.active = list(self._makers).index(self.tab)
        if self.iteration:
            self.follows = False
        self._wire()
        self._shown = Shown(view, self._shown.records, self._row(self._shown.records))
        self._draw_head()
        after_sending(lambda: self._arrived(Found(self.view, self._shown.records)))
        following.follow((job_id, store.user_id), background, self._arrived)

    @property
    def view(self) -> JobView:
        """The job as it is known at the moment."""
        return self._shown.view

    def _layout(self) -> pn.viewable.Viewable:
        back = pn.widgets.Button(label="‹", width=34, css_classes=["step-back"])
        onward = pn.widgets.Button(label="›", width=34, css_classes=["step-on"])
        back.on_click(lambda _: self._step(-1))
        onward.on_click(lambda _: self._step(1))
        follow = tick_for(self, "follows")
        steps = self._steps = pn.FlexBox(
            back, self._slider, onward, follow, self._newer, align_items="center"
        )
        return pn.Column(
            pn.Column(
                self._hero,
                marks_line(self.view),
                self._actions,
                css_classes=["card"],
                margin=6,
                sizing_mode="stretch_width",
            ),
            *([steps] if self._is_refinement else []),
            self._tab_bar,
            sizing_mode="stretch_width",
        )

    def _wire(self) -> None:
        self._slider.param.watch(self._slid, "value")
        self._tab_bar.param.watch(lambda _: self._tab_changed(), "active")
        every(HEAD_MS, self._go_on)

    def _go_on(self) -> None:
        """Tell how far a running job is by now."""
        if self._shown.view.job.state not in ENDED:
            self._draw_hero()

    def _changed(self) -> None:
        """After an action: show the new state at once."""
        view = self._store.job(self._shown.view.job.id)
        self._arrived(Found(view, self._store.job_records(view)))

    def _arrived(self, found: Found) -> None:
        view, records = found.view, found.records
        is_new = found.mark != self._seen
        had = self._shown.records.newest
        self._seen = found.mark
        self._shown = Shown(view, records, self._row(records))
        if is_new or view.job.state not in ENDED:
            self._draw_head()
        if is_new:
            self._offer_iterations(records)
            newest = records.newest
            if self._active() not in self._tabs or had is not newest or self._is_live_tab():
                self._draw_tab()

    def _row(self, records: JobRecords) -> Iteration | None:
        """The chosen iteration, or the newest while it is followed."""
        if self.follows or not self.iteration:
            return records.newest
        chosen = [one for one in records.iterations if one.iteration == self.iteration]
        return chosen[0] if chosen else records.newest

    def _is_live_tab(self) -> bool:
        return self._active() in job_tabs.LIVE or not self._is_refinement

    def _draw_head(self) -> None:
        self._draw_hero()
        self._actions.draw(self._shown)

    def _draw_hero(self) -> None:
        shown = self._shown
        self._hero.object = hero_html(
            shown.view.job, shown.view.title, shown.view.author, shown.records, shown.row
        )

    def _offer_iterations(self, records: JobRecords) -> None:
        """Bring the slider up to date, and say that there is newer data where it is not followed."""
        numbers = [one.iteration for one in records.iterations] or [0]
        row = self._shown.row
        wanted = row.iteration if row is not None else numbers[-1]
        self._slider.visible = self._steps.visible = len(numbers) > 1
        end = max(numbers[-1], numbers[0] + 1)
        self._slider.param.update(start=numbers[0], end=end, value=wanted)
        is_behind = row is not None and row.iteration != numbers[-1]
        self._newer.object = (
            f'<span class="chip starting">newer data: it {numbers[-1]}</span>' if is_behind else ""
        )

    def _active(self) -> str:
        return list(self._makers)[self._tab_bar.active]

    def _draw_tab(self) -> None:
        """Make the open tab where it is new, and draw it."""
        name = self._active()
        is_early = self._is_refinement and not self._shown.records.iterations
        if is_early and name in job_tabs.AFTER_AN_ITERATION:
            state = self._shown.view.job.state
            is_there = state in (State.STARTING, State.RUNNING, State.STOPPING)
            words = NOTHING_YET if is_there else NOT_BEGUN
            words = NOTHING_CAME if state in ENDED else words
            self._places[name][:] = [pn.pane.HTML(words, sizing_mode="stretch_width")]
            return
        try:
            if name not in self._tabs:
                self._tabs[name] = self._makers[name][1]()
                self._tabs[name].draw(self._shown)
                self._places[name][:] = [self._tabs[name].panel]
            else:
                self._tabs[name].draw(self._shown)
        except Exception:  # a tab that cannot be drawn must not take the page with it
            self._places[name][:] = [failure_card(record_failure(f"tab {name}"))]

    def _tab_changed(self) -> None:
        self.tab = self._active()
        self._draw_tab()

    def _slid(self, event: param.parameterized.Event) -> None:
        numbers = [one.iteration for one in self._shown.records.iterations]
        if not numbers or self._shown.row is None:
            return
        nearest = min(numbers, key=lambda number: abs(number - event.new))
        if nearest != self._shown.row.iteration:
            self._choose(nearest)

    def _step(self, by: int) -> None:
        numbers = [one.iteration for one in self._shown.records.iterations]
        if numbers and self._shown.row is not None:
            place = numbers.index(self._shown.row.iteration) + by
            if 0 <= place < len(numbers):
                self._choose(numbers[place])

    def _choose(self, iteration: int) -> None:
        """Look at one iteration; the newest is followed again only when that is asked for."""
        newest = self._shown.records.newest
        is_newest = newest is not None and iteration == newest.iteration
        self.param.update(iteration=iteration, follows=self.follows and is_newest)
        self._redraw()

    @param.depends("follows", watch=True)
    def _follow(self) -> None:
        if self.follows:
            self.iteration = 0
            self._redraw()

    def _redraw(self) -> None:
        records = self._shown.records
        self._shown = Shown(self._shown.view, records, self._row(records))
        self._draw_head()
        self._offer_iterations(records)
        self._draw_tab()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
