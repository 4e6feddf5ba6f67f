"""Texts of every style that the extractive writer knows, in segments as the corpus stage cuts them."""

import re
from pathlib import Path

import numpy as np

from in2_plugin.corpus.segmentation import segment
from in2_plugin.questions.extractive.quoting import Draft, Excerpt
from in2_plugin.questions.extractive.registry import QuestionForm
from tests.support import ROOT

MARKED = re.compile(r'`([^`]*)`|"([^"]*)"')
PYTHON = tuple(sorted((ROOT / "in2_plugin/questions").rglob("*.py")))
MARKDOWN = (ROOT / "docs/build-file.md", ROOT / "docs/probes.md", ROOT / "docs/status.md")

CHINESE = """# 员工名册

| 姓名 | 部门 | 入职日期 | 工号 |
|---|---|---|---|
| 张洋洋 | 市场营销部 | 2019年7月10日 | YG89607 |
| 陈伟伟 | 人力资源部 | 2019年8月17日 | YG83837 |
| 李艳洋 | 软件研发部 | 2023年8月4日 | YG47164 |

负责人姓名：周磊涛，联系电话：094-42203691
会议时间：每周五上午十一点在第十二会议室举行例会。

1、周磊平负责整理第一季度的销售报表。
2、陈秀刚负责联系深圳市南山区的供应商。
3、陈杰娜负责更新产品说明书的第十五章。
"""
CSV = """order,customer,city,signed,amount
1228,Esperanza Ishikawa,Thessaloniki,2020-03-09,5717.15
1229,Gregor Haverkamp,Valparaiso,2014-06-24,3438.32
1230,Maurice Oyelaran,Casablanca,2012-01-02,3372.09
1231,Kristof Delacroix,Gothenburg,2023-03-06,435.81
"""
JSON_LINES = """{"id": 1593, "name": "Ottokar Eberhardt", "city": "Gothenburg", "signed": "2022-07-24"}
{"id": 1594, "name": "Boris Montgomery", "city": "Valparaiso", "signed": "2010-07-27"}
{"id": 1595, "name": "Jolanda Lindqvist", "city": "Casablanca", "signed": "2014-10-05"}
"""
GRID = """
+-------------+----------------+
| Parameter   | Meaning        |
+=============+================+
| max_retries | attempts, then |
|             | an error       |
+-------------+----------------+
| poll_period | seconds, whole |
+-------------+----------------+
| log_archive | folder of logs |
+-------------+----------------+
"""
SIMPLE = """
============  =================
Parameter     Meaning
============  =================
max_retries   attempts in total
poll_period   seconds to wait
============  =================
"""
SETTINGS = """
listen_address: harbour.example.org
log_folder: /var/log/harbour-master
retry_policy: exponential, at most six times

- Weigh the anchor before the tide turns.
- Report to the harbour master's office.
- Keep the green lanterns on the right.
"""
REFERENCE = """os.writev(fd, buffers, /): Write the contents of buffers to a file descriptor. Buffers are read in order.
os.get_blocking(fd): Get the blocking mode of the file descriptor.
class smtpd.PureProxy(localaddr, remoteaddr): Create a new pure proxy server.
"""
TEXTS = {
    "chinese": CHINESE, "csv": CSV, "json": JSON_LINES, "grid": GRID, "simple": SIMPLE, "settings": SETTINGS,
    "reference": REFERENCE,
}  # fmt: skip


def segments_of(text: str) -> list[str]:
    """Cut a text as `corpus.segment_tokens: 128` does, with a token for every four characters."""
    spans = segment(text, lambda parts: [len(part) // 4 + 1 for part in parts], 128, paper_exact=False)
    return [text[span.start : span.stop] for span in spans]


def excerpts_of(*paths: Path) -> list[Excerpt]:
    """Return an excerpt for each segment of some files."""
    return [Excerpt.of([part]) for path in paths for part in segments_of(path.read_text(encoding="utf-8"))]


def drafts(form: QuestionForm, excerpts: list[Excerpt], draws: int = 3) -> list[tuple[Excerpt, Draft]]:
    """Return the questions of a form about each excerpt."""
    rng = np.random.default_rng(0)
    asked = ((excerpt, form.write(excerpt, rng)) for excerpt in excerpts for _ in range(draws))
    return [(excerpt, draft) for excerpt, draft in asked if draft]


def quotations(question: str) -> list[str]:
    """Return what a question quotes, in its order."""
    return [code or words for code, words in MARKED.findall(question)]
