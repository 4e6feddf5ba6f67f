"""Send one request to the endpoint that lm_eval will measure, with the header, key and certificate that lm_eval uses.

Invariant: no message contains a key. A request to a busy server (429, 5xx) is retried three times; a refused connection
is not retried.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from in2_plugin.errors import EndpointError, MissingExtra
from in2_plugin.probing.lm_eval.command_line import Invocation

OPENAI = "https://api.openai.com/v1"
"""Base URL of lm_eval's `openai-completions` and `openai-chat-completions` when `base_url` is absent."""
TIMEOUT_S = 300
"""lm_eval's own default of `timeout` in the model arguments."""
LISTING_TIMEOUT_S = 10
RETRIES, BACKOFF_S = 3, 1.0
TRUST = 'or, if you know that it never truncates, set {"probe_trust_endpoint": true} in --metadata'
LONGEST_REASON = 200
"""Characters of a server's error message that are shown."""
_LENGTH_WORDS = re.compile(r"context|length|too (long|large|many tokens)|exceed|maximum|max_tokens", re.IGNORECASE)
_ADVICE = {
    401: "; set OPENAI_API_KEY",
    403: "; set OPENAI_API_KEY to a key that has access to this model",
    404: "; correct base_url or model in --model_args",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's reply to one prompt."""

    status: int
    reason: str
    """Its error message, shortened, for a status other than 200."""
    read: int | None
    """`usage.prompt_tokens`."""
    separates_thoughts: bool = False
    """True if the server sends the model's thoughts in a field of their own."""

    @property
    def advice(self) -> str:
        """Advice on the status, to append to the reason."""
        return _ADVICE.get(self.status, "; see the server's log")

    @property
    def too_long(self) -> bool:
        return self.status == 413 or (self.status in (400, 422) and bool(_LENGTH_WORDS.search(self.reason)))


@dataclass(frozen=True, slots=True)
class ProbedEndpoint:
    """The URL, model and headers that lm_eval sends its requests with."""

    url: str
    model: str
    header: Mapping[str, str]
    verify: bool | str
    timeout: float
    limit_key: str
    """The request field for the number of tokens to generate."""

    @property
    def name(self) -> str:
        """The URL without user, password and query, which may be secret."""
        return public_address(self.url)

    def listed_limit(self) -> int | None:
        """Return `max_model_len` of this model as vLLM and SGLang list it; None if it is not listed."""
        base = re.sub(r"/(chat/)?completions$", "", urlsplit(self.url).path)
        try:
            answer = _session().get(
                urlsplit(self.url)._replace(path=f"{base}/models").geturl(),
                headers=dict(self.header), verify=self.verify, timeout=min(LISTING_TIMEOUT_S, self.timeout),
            )  # fmt: skip
            return limit_in(answer.json(), self.model) if answer.ok else None
        except (OSError, ValueError, RecursionError):  # no such list: the real request will show the limit
            return None

    def ask(self, body: Mapping[str, Any], new_tokens: int) -> Reply:
        """Send one prompt.

        Raises:
            EndpointError: there is no answer, or it is not JSON.
        """
        import requests

        content = {"model": self.model, **body, self.limit_key: new_tokens}
        try:
            answer = _session().post(
                self.url, json=content, headers=dict(self.header), verify=self.verify, timeout=self.timeout
            )
        except requests.Timeout:
            raise EndpointError(
                f"{self.name} does not answer the longest prompt within {self.timeout:g} s; set timeout=SECONDS in "
                "--model_args"
            ) from None
        except (requests.RequestException, ValueError) as failure:
            raise EndpointError(
                f"cannot connect to {self.name} ({type(failure).__name__}); start the server, or correct base_url in "
                "--model_args"
            ) from None
        return self._reply(answer.status_code, answer.text)

    def _reply(self, status: int, text: str) -> Reply:
        import json

        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if status != 200:
            return Reply(status, self._reason(content, text), None)
        if not isinstance(content, dict):
            raise EndpointError(f"the answer of {self.name} is not JSON; correct base_url in --model_args")
        usage = content.get("usage")
        read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return Reply(status, "", read if _is_count(read) else None, _has_separate_thoughts(content))

    def _reason(self, content: Any, text: str) -> str:
        error = content.get("error", content) if isinstance(content, dict) else None
        message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        words = " ".join(str(message or text or "no reason given").split())
        for secret in {part for value in self.header.values() for part in value.split()} - {"Bearer"}:
            words = words.replace(secret, "[key]")
        return words if len(words) <= LONGEST_REASON else f"{words[:LONGEST_REASON]}…"


def _has_separate_thoughts(content: Mapping[str, Any]) -> bool:
    """Look for the fields of vLLM, SGLang and llama.cpp in the first choice."""
    choices = content.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return isinstance(message, dict) and any(message.get(key) for key in ("reasoning_content", "reasoning"))


def limit_in(content: object, model: str) -> int | None:
    """Return `max_model_len` of a model in the JSON of `/models`; None if it is not there."""
    listed = content.get("data") if isinstance(content, dict) else None
    entries = listed if isinstance(listed, list) else []
    limits = [one.get("max_model_len") for one in entries if isinstance(one, dict) and one.get("id") == model]
    return next((limit for limit in limits if _is_count(limit)), None)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def endpoint_of(model_args: Mapping[str, Any], invocation: Invocation, messages: bool) -> ProbedEndpoint:
    """Return the endpoint that lm_eval's API models use for these arguments.

    Raises:
        EndpointError: its URL is unknown, or is not one of a completions endpoint.
    """
    ours = invocation.model is not None and invocation.model.startswith("openai")
    path = "chat/completions" if messages else "completions"
    url = str(model_args.get("base_url") or (f"{OPENAI}/{path}" if ours else ""))
    if not urlsplit(url).path.endswith("/completions"):
        where = public_address(url) if url else "a server without a URL"
        raise EndpointError(
            f"cannot check that {where} reads whole prompts: set base_url= in --model_args to a URL that ends in "
            f"/completions, {TRUST}"
        )
    verify = model_args.get("verify_certificate", True)
    return ProbedEndpoint(
        url=url,
        model=str(model_args.get("model") or model_args.get("pretrained")),
        header=model_args.get("header") or {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"},
        verify=model_args.get("ca_cert_path") or True if verify else False,
        timeout=float(model_args.get("timeout") or TIMEOUT_S),
        limit_key="max_completion_tokens" if ours and messages else "max_tokens",
    )


def public_address(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _session() -> Any:
    try:
        import requests
        from urllib3.util import Retry
    except ImportError:
        raise MissingExtra("checking the limit of an endpoint", "eval") from None
    again = Retry(
        total=RETRIES, connect=0, read=False, backoff_factor=BACKOFF_S, status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None, raise_on_status=False,
    )  # fmt: skip
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=again))
    return session
