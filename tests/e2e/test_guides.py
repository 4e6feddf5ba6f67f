"""Run the guides: the build file of each page and its `sh` blocks, unchanged.

Local files and servers replace the inputs that a page names: the folder `texts`, tokenizer folders, an endpoint. Only
the port of the endpoint is changed. Blocks of another language than `sh` need other machines.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.dataset.tables import read_rows
from tests.support import vocabularies
from tests.support.e2e_run import ROOT, run
from tests.support.fault_server import FaultServer

GUIDES = ROOT / "docs/guides"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def walk(page: Path, folder: Path, port: int | None = None) -> list[str]:
    """Write the first build file of a page, run its `sh` blocks, and return their outputs."""
    build = next(iter(blocks(page, "yaml")), "")
    (folder / "build.yml").write_text(build.replace(":8000/", f":{port}/"), encoding="utf-8")
    return [run("bash", "-e", "-c", block, cwd=folder, timeout=1_500) for block in blocks(page, "sh")]


@pytest.fixture
def place(tmp_path, mistral_folder, monkeypatch):
    """A folder with the tokenizer that the guides name, and `in2` on the path."""
    shutil.copytree(mistral_folder, tmp_path / "mistralai/Mistral-7B-Instruct-v0.2")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def with_texts(place):
    (place / "texts").mkdir()
    for number, document in enumerate(islice(read_documents(CorpusConfig().sources), 150)):
        (place / f"texts/{number:04}.txt").write_text(document.text, encoding="utf-8")
    return place


def questions(folder: Path) -> list[dict]:
    return list(read_rows(folder / "questions.parquet"))


def test_getting_started_copies_a_recipe(place):
    walk(ROOT / "docs/getting-started.md", place)
    assert (place / "try/demo.yml").is_file()


@pytest.mark.slow
def test_the_trl_snippet_of_the_readme(workshop, tmp_path):
    (tmp_path / "mistralai").mkdir()
    (tmp_path / "mistralai/Mistral-7B-Instruct-v0.2").symlink_to(workshop / "model")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/my-in2").symlink_to(workshop / "data/in2")
    (snippet,) = blocks(ROOT / "README.md", "python")
    output = run(sys.executable, "-c", snippet, cwd=tmp_path)
    assert "length-balanced order" in output and "train_loss" in output
    assert list(tmp_path.glob("out/checkpoint-*/model.safetensors"))


@pytest.mark.slow
@pytest.mark.e2e_full
def test_own_corpus(with_texts):
    first, second = walk(GUIDES / "own-corpus.md", with_texts)
    assert "audit passed" in first
    assert "no problems found" in second
    assert len(questions(with_texts / "data/first")) == 90
    assert (with_texts / "data/first/report.html").is_file()


@pytest.mark.slow
@pytest.mark.e2e_full
def test_own_endpoint(with_texts):
    with FaultServer() as server:
        (output,) = walk(GUIDES / "own-endpoint.md", with_texts, server.port)
        assert set(server.paid.values()) == {1}  # the answers of the preview are reused
        assert {body["model"] for body in server.bodies} == {"Qwen/Qwen3-32B"}
        assert server.bodies[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "audit passed" in output
    assert len(questions(with_texts / "data/asked")) == 50


PEOPLE = [
    "张明",
    "李秀兰",
    "王建国",
    "陈晓东",
    "刘玉梅",
    "赵海涛",
    "孙丽华",
    "周文斌",
    "吴佳宁",
    "郑国强",
    "冯雨晴",
    "何志远",
]
PLACES = ["青岛", "成都", "哈尔滨", "昆明", "兰州", "泉州", "洛阳", "温州", "桂林", "大同", "宜昌", "喀什"]
WORK = ["修好", "买下", "送走", "登记", "挑选", "搬运", "绘制", "整理", "试用", "出售", "检查", "借出"]
THINGS = [
    "台旧水泵",
    "辆三轮车",
    "本航海日志",
    "张老照片",
    "箱茶叶",
    "盏铜油灯",
    "幅地图",
    "把竹椅",
    "件羊皮袄",
    "口铁锅",
    "袋麦种",
    "架望远镜",
]
ENDINGS = ["当天就下了大雨", "邻居都来帮忙", "账目却对不上", "孩子们看得入迷", "第二年才有人问起", "价钱比往年低了一半"]


def chinese_sentence(rng: np.random.Generator) -> str:
    who, where, did, what, end = (str(rng.choice(words)) for words in (PEOPLE, PLACES, WORK, THINGS, ENDINGS))
    year, many = rng.integers(1950, 2024), rng.integers(2, 900)
    return f"{year}年{rng.integers(1, 13)}月，{who}在{where}{did}了{many}{what}，{end}。"


def chinese_document(rng: np.random.Generator) -> str:
    paragraphs = ("".join(chinese_sentence(rng) for _ in range(rng.integers(3, 7))) for _ in range(12))
    return "\n".join(paragraphs)


def chinese_reply(body: dict) -> str:
    """Return a Chinese question about the last sentence of the passage, with that sentence as the answer."""
    prompt = body["messages"][0]["content"]
    sentence = re.findall(r"\d{4}年[^。\n]+。", prompt)[-1]
    mark = hashlib.sha256(prompt.encode()).hexdigest()[:4]
    pair = {"question": f"{sentence.split('，')[0]}，{sentence[9:14]}发生了什么事（{mark}）？", "answer": sentence}
    if "numbered pieces" in prompt:
        last = int(re.findall(r"\n\[(\d+)\] ", prompt)[-1])
        pair["pieces"] = [last - 1, last]
    return json.dumps({"questions": [pair]})


@pytest.fixture
def chinese(place):
    """Chinese texts and a vocabulary trained on them."""
    rng = np.random.default_rng(5)
    texts = [chinese_document(rng) for _ in range(80)]
    (place / "texts").mkdir()
    for number, text in enumerate(texts):
        (place / f"texts/{number:03}.txt").write_text(text, encoding="utf-8")
    tokenizer = vocabularies.byte_level(texts, vocabularies.QWEN2_REGEX, vocabularies.CHATML_TOKENS)
    vocabularies.save(tokenizer, place / "Qwen/Qwen3-8B", CHATML, eos_token="<|im_end|>")
    return place


@pytest.mark.slow
@pytest.mark.e2e_full
def test_chinese(chinese):
    with FaultServer(reply=chinese_reply) as server:
        (output,) = walk(GUIDES / "chinese.md", chinese, server.port)
        prompts = [body["messages"][0]["content"] for body in server.bodies]
    assert "audit passed" in output
    assert any(prompt.startswith("请根据下面的文字提出1个问题") for prompt in prompts)
    found = questions(chinese / "data/chinese")
    assert len(found) == 40
    assert all(question["answer"].endswith("。") for question in found)


def test_the_chinese_prompt_keeps_what_the_checks_need():
    (block,) = blocks(GUIDES / "chinese.md", "yaml")
    assert "{count}" in block
    assert "{context}" in block
