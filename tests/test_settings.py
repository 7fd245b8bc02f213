import os
import stat
from pathlib import Path

import pytest

from settings import Settings, SettingsError, load, secret_key

KEY = "k" * 32


def test_nothing_set_is_a_working_installation(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert (settings.host, settings.port) == ("127.0.0.1", 8501)
    assert settings.url == "http://localhost:8501"


def test_everything_wrong_is_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "tiltyard.toml").write_text('port = 0\nno_such = 1\n[providers]\nlab = "x"\n')
    with pytest.raises(SettingsError) as refused:
        load({"TILTYARD_HOST": "0.0.0.0", "TILTYARD_DRAIN_S": "soon", "TILTYARD_PROT": "8502"}, tmp_path)
    wrong = "\n".join(refused.value.problems)
    for named in (
        "TILTYARD_HOST",
        "TILTYARD_DRAIN_S",
        "TILTYARD_PROT",
        "port (in the file)",
        "no_such",
        "lab",
    ):
        assert named in wrong
    assert len(refused.value.problems) == 6


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_without_sign_in_only_loopback_is_served(host: str) -> None:
    with pytest.raises(SettingsError, match="TILTYARD_HOST.*no sign-in"):
        load({"TILTYARD_HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_in_all_its_forms_is_fine(host: str) -> None:
    assert load({"TILTYARD_HOST": host}).host == host


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiltyard.toml").write_text("port = 9000\nidle_s = 5\n")
    settings = load({"TILTYARD_PORT": "9001"}, tmp_path)
    assert (settings.port, settings.idle_s) == (9001, 5.0)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TILTYARD_CONFIG"):
        load({"TILTYARD_CONFIG": str(tmp_path / "gone.toml")}, tmp_path)


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "tiltyard.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match=r"tiltyard\.toml.*line 1"):
        load({}, tmp_path)


def test_a_local_key_must_look_like_one() -> None:
    with pytest.raises(SettingsError, match="TILTYARD_LOCAL_API_KEY"):
        load({"TILTYARD_LOCAL_API_KEY": "sk-1234"})


def test_the_secret_is_made_once_and_is_ours_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = secret_key(settings)
    assert len(first) == 64
    assert secret_key(settings) == first
    assert stat.S_IMODE(os.stat(tmp_path / "secret.key").st_mode) == 0o600


def test_a_secret_that_is_set_is_used(tmp_path: Path) -> None:
    assert secret_key(Settings(data_dir=tmp_path, secret_key="s" * 32)) == b"s" * 32
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_by_either_name_is_one_form(scheme: str) -> None:
    settings = load(
        {
            "TILTYARD_DATABASE_URL": f"{scheme}://me:pw@db:5433/tilt?sslmode=on",
            "TILTYARD_SECRET_KEY": KEY,
        }
    )
    assert settings.database_url == "postgresql://me:pw@db:5433/tilt?sslmode=on"


def test_postgresql_without_a_secret_is_listed_beside_everything_else() -> None:
    with pytest.raises(SettingsError) as refused:
        load({"TILTYARD_DATABASE_URL": "postgresql://db/tilt", "TILTYARD_PORT": "0"})
    port, secret = refused.value.problems
    assert "TILTYARD_PORT" in port
    assert "TILTYARD_SECRET_KEY" in secret


@pytest.mark.parametrize("url", ["mysql://me:pw@db/x", "postgresql+asyncpg://me:pw@db/x", "db.example.org"])
def test_another_database_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="TILTYARD_DATABASE_URL.*postgresql://") as refused:
        load({"TILTYARD_DATABASE_URL": url, "TILTYARD_SECRET_KEY": KEY})
    assert "pw" not in str(refused.value)


def test_an_empty_database_url_is_sqlite() -> None:
    assert load({"TILTYARD_DATABASE_URL": ""}).database_url is None


def test_settings_in_a_log_line_show_no_secret() -> None:
    settings = load({"TILTYARD_DATABASE_URL": "postgres://me:pass@db/x", "TILTYARD_SECRET_KEY": KEY})
    assert "pass" not in repr(settings)
    assert KEY not in repr(settings)


def test_the_data_folder_stays_where_it_was_meant_whatever_the_process_does_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}, tmp_path).data_dir == tmp_path / ".tiltyard"
    assert load({"TILTYARD_DATA_DIR": "here"}, tmp_path).data_dir == tmp_path / "here"


def test_the_callers_own_variable_of_our_examples_is_no_mistake(tmp_path: Path) -> None:
    assert load({"TILTYARD_API_KEY": "ty_x"}, tmp_path).port == 8501


# --- sign-in ---------------------------------------------------------------------------------

PROVIDER = {
    "TILTYARD_SIGN_IN_GOOGLE_CLIENT_ID": "client",
    "TILTYARD_SIGN_IN_GOOGLE_CLIENT_SECRET": "hush hush",
    "TILTYARD_SIGN_IN_GOOGLE_DISCOVERY_URL": "https://accounts.google.com/.well-known/openid-configuration",
}
WITH_SIGN_IN = {**PROVIDER, "TILTYARD_OPERATORS": "ann@example.org, bob@example.org"}


def test_providers_come_from_the_environment_and_the_file_field_by_field(tmp_path: Path) -> None:
    (tmp_path / "tiltyard.toml").write_text(
        '[sign_in.google]\nclient_id = "in the file"\ntitle = "Google"\n'
        '[sign_in.dex]\nclient_id = "d"\nclient_secret = "s"\ndiscovery_url = "https://dex.example/x"\n'
        '[[team_claims]]\nclaim = "groups"\nvalue = "ml"\nteam = "ML"\n'
    )
    settings = load(WITH_SIGN_IN, tmp_path)
    assert sorted(settings.sign_in) == ["dex", "google"]
    assert (settings.sign_in["google"].client_id, settings.sign_in["google"].title) == ("client", "Google")
    assert settings.operators == ("ann@example.org", "bob@example.org")
    assert settings.team_claims[0].team == "ML"
    assert "hush hush" not in repr(settings)


def test_with_sign_in_and_tls_other_addresses_may_be_served(tmp_path: Path) -> None:
    settings = load(
        {**WITH_SIGN_IN, "TILTYARD_HOST": "0.0.0.0", "TILTYARD_BASE_URL": "https://tilt.example"}, tmp_path
    )
    assert settings.secure and settings.url == "https://tilt.example"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({**PROVIDER}, "TILTYARD_OPERATORS"),
        ({**WITH_SIGN_IN, "TILTYARD_HOST": "0.0.0.0"}, "TILTYARD_BASE_URL: must be set"),
        (
            {**WITH_SIGN_IN, "TILTYARD_HOST": "0.0.0.0", "TILTYARD_BASE_URL": "http://tilt.example"},
            "TILTYARD_BASE_URL: must begin with https",
        ),
        ({**WITH_SIGN_IN, "TILTYARD_SIGN_IN_GOOGLE_CLIENT_SECRET": ""}, "client_secret"),
        ({**WITH_SIGN_IN, "TILTYARD_SIGN_IN_GOOGLE_DISCOVERY_URL": "accounts"}, "discovery_url"),
        ({**WITH_SIGN_IN, "TILTYARD_SIGN_IN_MY_IDP_CLIENT_ID": "x"}, "sign_in"),
        ({**WITH_SIGN_IN, "TILTYARD_SIGN_IN_GOOGLE_COLOUR": "red"}, "no such setting"),
        ({"TILTYARD_NEW_TEAMS": "everybody"}, "TILTYARD_NEW_TEAMS"),
    ],
)
def test_sign_in_that_would_let_the_wrong_people_in_is_refused(
    tmp_path: Path, more: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        load(more, tmp_path)


def test_every_team_has_the_highest_tier_until_there_is_sign_in_and_what_is_set_holds() -> None:
    assert load({}).tier_of_all == 5
    assert load({"TILTYARD_LEAST_TIER": "3"}).tier_of_all == 3


def test_a_collector_is_found_under_opentelemetrys_own_name_and_ours_goes_first() -> None:
    theirs = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}
    settings = load(theirs)
    assert (settings.otlp_endpoint, settings.otlp_headers) == ("http://localhost:4318", "a=b")
    assert load(theirs | {"TILTYARD_OTLP_ENDPOINT": "http://other:4318"}).otlp_endpoint == "http://other:4318"


def test_the_api_is_where_the_pages_are_unless_it_is_apart() -> None:
    assert load({}).api_url == "http://localhost:8501"
    apart = {"TILTYARD_API_PROCESSES": "2"}
    assert load(apart).api_url == "http://localhost:8502"
    assert load(apart | {"TILTYARD_API_BASE_URL": "https://api.example/"}).api_url == "https://api.example"
