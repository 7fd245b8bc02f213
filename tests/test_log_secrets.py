"""What was typed and what opens doors is in no log, and in no file where it does not belong."""

from __future__ import annotations

from tests.server import API_KEY, Server

PROMPT = "a-prompt-that-nobody-else-types-5f1c"
WRONG_KEY = "ty_" + "wrongKeyForTheLogs" * 2
TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.c2ln"


def test_nothing_secret_is_logged_or_kept(tiltyard: Server) -> None:
    asked = {"model": "simulated/steady", "messages": [{"role": "user", "content": PROMPT}]}
    with tiltyard.client() as client:
        assert client.post("/v1/chat/completions", json=asked).status_code == 200
        broken = client.post("/v1/chat/completions", content=f'{{"model": "{PROMPT}", ')
        assert broken.status_code == 400
        refused = client.post("/v1/chat/completions", json={**asked, "temperature": PROMPT})
        assert refused.status_code == 400
        made = client.post("/v1/admin/teams/1/keys", json={"name": "for the logs"}).json()
        invited = client.post("/v1/admin/teams/1/invitations", json={"role": "viewer"}).json()
        told = client.get("/v1/admin/teams/1/audit").text
    for credential in (WRONG_KEY, TOKEN):
        with tiltyard.client(key=credential) as client:
            assert client.get("/v1/me").status_code == 401
    secrets = (PROMPT, API_KEY, WRONG_KEY, TOKEN, made["secret"], invited["secret"])
    for secret in secrets:
        assert secret not in tiltyard.log
        assert secret not in told
    kept = [path for path in tiltyard.data_dir.rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"app.db", "log.db", "ledger.db"}
    for path in kept:
        content = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == [], path.name
