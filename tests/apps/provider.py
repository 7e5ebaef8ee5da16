"""An OpenID provider for the tests: oidc-provider-mock, which only registered clients may use, with
PKCE enforced, and with ways to make its tokens wrong.

    python provider.py --port 9400

PUT /wrong with the name of a wrong says how the tokens after it are wrong; "" makes them right again.
"""

import argparse
import base64
import hashlib
import json
import logging
import os
import time
import urllib.parse

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import flask  # noqa: E402
import oidc_provider_mock  # noqa: E402
import werkzeug.serving  # noqa: E402
from authlib import jose  # noqa: E402

challenges: dict[str, str] = {}
wrong = {"is": ""}
other_key = jose.RSAKey.generate_key(is_private=True)

# What is wrong, as a change of the claims.
CLAIMS = {
    "nonce": lambda claims: {**claims, "nonce": "another"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "audience": lambda claims: {**claims, "aud": ["another"]},
    "issuer": lambda claims: {**claims, "iss": "http://127.0.0.1:1"},
    "expired": lambda claims: {**claims, "exp": int(time.time()) - 3600},
    "unverified": lambda claims: {**claims, "email_verified": False},
    "nameless": lambda claims: {name: claims[name] for name in claims if name not in ("email", "email_verified", "preferred_username")},
    "signature": lambda claims: claims,
    "unknown key": lambda claims: claims,
    "new key": lambda claims: claims,
    "none": lambda claims: claims,
}


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token_with(claims: dict[str, object]) -> str:
    storage = flask.g.oidc_provider_mock_storage
    if wrong["is"] == "none":
        return f"{encoded({'alg': 'none'})}.{encoded(claims)}."
    if wrong["is"] == "new key":
        storage.jwk = other_key
    key = other_key if wrong["is"] == "unknown key" else storage.jwk
    header = {"alg": "RS256", "kid": key.as_dict(add_kid=True)["kid"]}
    token = jose.jwt.encode(header, claims, key).decode()
    if wrong["is"] == "signature":
        head, payload, signature = token.split(".")
        token = f"{head}.{payload}.{signature[:-8]}AAAAAAAA"
    return token


def make_app():
    app = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)

    @app.put("/wrong")
    def set_wrong():
        name = flask.request.get_data(as_text=True)
        assert name == "" or name in CLAIMS, name
        wrong["is"] = name
        return "", 204

    @app.before_request
    def prove_key():
        if flask.request.path == "/oauth2/token":
            form = flask.request.form
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if challenges.pop(form.get("code", ""), None) != proof:
                return {"error": "invalid_grant", "error_description": "PKCE"}, 400
        return None

    @app.after_request
    def follow(response):
        asked = flask.request
        if asked.path == "/oauth2/authorize" and asked.method == "POST" and "Location" in response.headers:
            assert asked.args["code_challenge_method"] == "S256"
            query = urllib.parse.urlsplit(response.headers["Location"]).query
            for code in urllib.parse.parse_qs(query).get("code", []):
                challenges[code] = asked.args["code_challenge"]
        if asked.path == "/oauth2/token" and response.status_code == 200 and wrong["is"]:
            answer = response.get_json()
            payload = answer["id_token"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
            answer["id_token"] = token_with(CLAIMS[wrong["is"]](claims))
            response.set_data(json.dumps(answer))
        return response

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    # The folder of the test that this belongs to, so that it can be found and ended with it.
    parser.add_argument("--door", required=True)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    werkzeug.serving.make_server("127.0.0.1", options.port, make_app(), threaded=True).serve_forever()
