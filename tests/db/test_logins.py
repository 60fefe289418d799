"""Sessions, failures, invitations and tokens, as rows."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.errors import Conflict, NotFound, Refused
from db.models.accounts import ApiToken, Invitation, LoginSession
from db.repository import (
    banner,
    guessing,
    invitations,
    logins,
    people,
    projects,
    sight,
    tokens,
)
from db.session import Database
from db.words import Role
from tests.db import scene
from tests.db.conftest import Clock

HOUR = timedelta(hours=1)


def test_a_session_lasts_from_its_last_use_and_ends_when_it_is_revoked(
    database: Database, clock: Clock
) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        made, key = logins.begin(session, user, "password", lasts=HOUR, address="10.0.0.1")
        other, other_key = logins.begin(session, user, "link", lasts=HOUR)
        kept = session.scalars(select(LoginSession.key_hash)).all()
        assert key not in kept and other_key not in kept
    clock.forward(3000)
    with database.writing() as session:
        found = logins.find(session, key)
        assert found is not None and found[1].id == user
        assert logins.is_stale(session, found[0])
        logins.touch(session, made.id, HOUR)
        assert logins.find(session, key + "x") is None
    clock.forward(3000)
    with database.writing() as session:
        assert logins.find(session, key) is not None
        assert logins.find(session, other_key) is None
        assert [one.id for one in logins.open_sessions(session, user)] == [made.id]
        assert logins.good_sessions(session, {made.id, other.id, 99}) == {made.id}
        with pytest.raises(NotFound):
            logins.revoke(session, made.id, user_id=user + 1, who=user)
        logins.revoke(session, made.id, user_id=user, who=user)
        assert logins.find(session, key) is None
        logins.touch(session, made.id, HOUR)
        assert logins.find(session, key) is None


def test_ending_all_sessions_may_spare_one_and_closing_an_account_spares_nothing(
    database: Database,
) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        boss = people.create_user(session, "boss", who=None, is_admin=True).id
        first, first_key = logins.begin(session, user, "password", lasts=HOUR)
        second_key = logins.begin(session, user, "password", lasts=HOUR)[1]
        boss_key = logins.begin(session, boss, "password", lasts=HOUR)[1]
        token = tokens.make(session, user, "laptop", who=user)[1]
        assert logins.revoke_all(session, user, who=user, but=first.id) == 1
        assert logins.find(session, first_key) is not None
        assert logins.find(session, second_key) is None
        people.set_active(session, user, False, who=boss)
        assert logins.find(session, first_key) is None
        assert tokens.find(session, token) is None
        with pytest.raises(Refused, match="is closed"):
            logins.begin(session, user, "password", lasts=HOUR)
        people.set_active(session, user, True, who=boss)
        assert logins.find(session, first_key) is None
        assert tokens.find(session, token) is None
        assert logins.find(session, boss_key) is not None


def test_sessions_that_are_long_over_are_forgotten(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        old = logins.begin(session, user, "link", lasts=HOUR)[0].id
    clock.forward(40 * 86400)
    with database.writing() as session:
        new = logins.begin(session, user, "link", lasts=HOUR)[0].id
        assert session.scalars(select(LoginSession.id)).all() == [new]
        assert new > old


def test_waiting_grows_with_failures_and_a_right_password_ends_it(
    database: Database, clock: Clock
) -> None:
    account, address = guessing.account("Ana "), guessing.address("10.0.0.1")
    assert account == guessing.account("ana")
    waits = []
    with database.writing() as session:
        for _ in range(guessing.FREE + 12):
            guessing.failed(session, account, address)
            waits.append(guessing.seconds_left(session, account))
        assert waits[: guessing.FREE - 1] == [0.0] * (guessing.FREE - 1)
        assert waits[guessing.FREE - 1 :][:4] == [2.0, 4.0, 8.0, 16.0]
        assert waits[-1] == guessing.LONGEST_WAIT_S
        assert guessing.seconds_left(session, address) == 0.0
        assert guessing.seconds_left(session, guessing.account("eva"), address) == 0.0
    clock.forward(guessing.LONGEST_WAIT_S - 1)
    with database.writing() as session:
        assert guessing.seconds_left(session, account) == pytest.approx(1.0)
        guessing.succeeded(session, account, address)
        assert guessing.seconds_left(session, account) <= 0.0
        for _ in range(5):
            guessing.failed(session, address)
        assert guessing.seconds_left(session, address) == 4.0
    clock.forward(2 * 86400)
    with database.writing() as session:
        guessing.failed(session, account)
        assert guessing.seconds_left(session, account, address) <= 0.0


def test_an_invitation_makes_one_user_with_group_and_role(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        owner, project = scene.lab(session)
        group = people.create_group(session, "lab", who=owner)
        made, key = invitations.invite(
            session,
            who=owner,
            note="Eva",
            group_id=group.id,
            project_id=project.id,
            role=Role.EDITOR,
        )
        assert session.scalars(select(Invitation.key_hash)).all() != [key]
        assert [one.note for one in invitations.waiting(session)] == ["Eva"]
        with pytest.raises(Conflict):
            invitations.accept(session, key, "ana")
        eva = invitations.accept(session, key, "eva", "Eva E.")
        assert sight.role_of(session, project.id, eva.id) == Role.EDITOR
        assert [one.id for one in people.group_members(session, group.id)] == [eva.id]
        assert invitations.waiting(session) == []
        with pytest.raises(NotFound, match="used up"):
            invitations.accept(session, key, "eve")
        again, again_key = invitations.offer_new_password(session, eva.id, who=owner)
        assert invitations.accept(session, again_key, "ignored").id == eva.id
        withdrawn, withdrawn_key = invitations.invite(session, who=owner)
        invitations.withdraw(session, withdrawn.id, who=owner)
        late_key = invitations.invite(session, who=owner, lasts=HOUR)[1]
    clock.forward(3600)
    with database.reading() as session:
        for bad in (withdrawn_key, late_key, "nonsense", ""):
            with pytest.raises(NotFound):
                invitations.find(session, bad)


def test_a_purged_project_leaves_its_invitations(database: Database) -> None:
    with database.writing() as session:
        owner, project = scene.lab(session)
        key = invitations.invite(session, who=owner, project_id=project.id)[1]
        projects.move_to_bin(session, project.id, who=owner)
        projects.purge(session, project.id, who=owner)
    with database.writing() as session:
        assert invitations.accept(session, key, "eva").name == "eva"


def test_tokens_are_kept_as_hashes_and_end(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        other = people.create_user(session, "ben", who=None).id
        made, text = tokens.make(session, user, " laptop ", who=user, lasts=HOUR)
        ever = tokens.make(session, user, "mill", who=user)[1]
        assert text.startswith(tokens.PREFIX)
        assert text not in session.scalars(select(ApiToken.key_hash)).all()
        found = tokens.find(session, text)
        assert found is not None and found[0].name == "laptop" and found[1].id == user
        assert tokens.is_stale(session, found[0])
        tokens.touch(session, made.id)
        with pytest.raises(NotFound):
            tokens.revoke(session, made.id, user_id=other, who=other)
        with pytest.raises(Refused, match="needs a name"):
            tokens.make(session, user, " ", who=user)
    clock.forward(3600)
    with database.writing() as session:
        assert tokens.find(session, text) is None
        assert [one.name for one in tokens.tokens(session, user)] == ["mill"]
        tokens.revoke(session, tokens.tokens(session, user)[0].id, user_id=user, who=user)
        assert tokens.find(session, ever) is None


def test_an_account_elsewhere_signs_in_one_user(database: Database) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        logins.add_identity(session, "https://id.example", "42", user)
        found = logins.user_of_identity(session, "https://id.example", "42")
        assert found is not None and found.id == user
        assert logins.user_of_identity(session, "https://other.example", "42") is None


def test_a_unix_account_never_becomes_a_user_who_signs_in_under_its_name(
    database: Database,
) -> None:
    with database.writing() as session:
        key = invitations.invite(session, who=None)[1]
        invited = invitations.accept(session, key, "marc")
        of_unix = people.ensure_unix_user(session, "marc")
        assert of_unix.id != invited.id and of_unix.name == "marc@unix"
        assert people.ensure_unix_user(session, "marc").id == of_unix.id


def test_there_is_one_banner(database: Database) -> None:
    with database.writing() as session:
        user, _ = scene.lab(session)
        assert banner.banner(session) == ""
        banner.set_banner(session, " Down on Friday ", who=user)
        banner.set_banner(session, "Down on Monday", who=user)
        assert banner.banner(session) == "Down on Monday"
        banner.set_banner(session, "", who=user)
        assert banner.banner(session) == ""
