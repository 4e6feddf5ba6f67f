"""NoLiMa: needles at the ends of lines, equal books at every depth, the authors' prompt and score."""

from collections import defaultdict

import pytest

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.position.nolima import NEW_TOKENS, NOLIMA
from tests.probing.probes.test_build import Words
from tests.support import nolima_folder


@pytest.fixture
def data(tmp_path):
    return str(nolima_folder.save(tmp_path / "data"))


def made(data, tokens=None, **options):
    options = {"probe_length": 1_500, "probe_depths": 5, **options}
    return NOLIMA.load({"probe_data": data, "pretrained": "m", **options}, "", tokens or Words())


def test_every_fact_is_asked_in_every_book_at_every_depth(data):
    prompts = made(data)
    depths, rests = defaultdict(list), defaultdict(set)
    for question in prompts.questions:
        item = prompts.items[question.question]
        prompt = prompts.prompt(question)
        (line,) = (line for line in prompt.split("\n") if item.needle in line)
        assert line.endswith(item.needle)
        depths[question.question].append(question.depth)
        rests[question.question].add((question.gold, "".join(prompt.replace(item.needle, "").split())))
        assert question.gold_depths[0] == pytest.approx(question.depth / 4, abs=0.05)
    assert list(depths.values()) == [[0, 1, 2, 3, 4]] * 10
    assert [len(rest) for rest in rests.values()] == [1] * 10
    assert len({(item.book, item.needle, item.question) for item in prompts.items}) == 10


def test_the_prompt_is_the_authors(data):
    prompts = made(data)
    question = prompts.questions[2]
    (character,) = question.gold
    before, after = prompts.prompt(question).split(f" Last winter {character} mended the roof of the Louvre.\n")
    assert before.startswith(
        "You will answer a question based on the following book snippet:\n\nLine 0 of volume 0 tells of rain"
    )
    assert before.endswith("tram.") and after.startswith("Line ")
    assert after.endswith(
        "tram.\n\nUse the information provided in the book snippet to answer the question. Your answer should be short "
        "and based on either explicitly stated facts or strong, logical inferences.\n\nQuestion: Who has worked in "
        "Paris?\n\n Return only the final answer with no additional explanation or reasoning."
    )
    assert prompts.prompt(prompts.questions[-1]).endswith("\nAnswer with one word: Which sound was heard?")


@pytest.mark.parametrize("length", [700, 2_000])
def test_prompts_fill_the_length_and_never_exceed_it(data, length):
    tokens = Words(template=5)
    prompts = made(data, tokens, probe_length=length)
    counts = [tokens.prompt(prompts.prompt(question)) for question in prompts.questions]
    assert length - NEW_TOKENS - 100 < max(counts) <= length - NEW_TOKENS


def test_baselines_find_nothing(data):
    for question in made(data).questions:
        assert NOLIMA.score(question.gold, question.query) == NOLIMA.score(question.gold, question.other) == 0
        assert question.other != question.gold[0]


def test_the_score_is_the_authors():
    """Metric `contains`: any gold text is a part of the answer as it is, case included."""
    gold = ("Odile", "Bertram")
    answers = ["Odile", "odile", "It was Bertram.", "Bert ram", "", "Odiles\n"]
    found = [NOLIMA.score(gold, answer) for answer in answers]
    assert found == [float(any(answer.find(text) >= 0 for text in gold)) for answer in answers] == [1, 0, 1, 0, 0, 1]


def test_the_recall_is_that_of_the_best_answer():
    assert NOLIMA.recall(("Odile", "Bertram Reed"), "odile") == 1


def test_some_questions_use_all_facts_and_books(data):
    items = made(data, probe_questions=5).items
    assert len({item.question for item in items}) == 5 and {item.book for item in items} == {0, 1}
    assert len(made(data, probe_questions=1).questions) == 5
    with pytest.raises(ProbeError, match="probe_questions=11, but 5 questions in 2 books make only 10"):
        made(data, probe_questions=11)


def test_the_digest_changes_with_the_data_and_not_with_the_tokenizer(data, tmp_path):
    other_book = str(nolima_folder.save(tmp_path / "other", n_lines=401))
    digests = [made(*given, **options).digest() for given, options in (
        ((data,), {}), ((data, Words(6)), {}), ((other_book,), {}), ((data,), {"probe_seed": 1}),
        ((data,), {"probe_length": 1_600}), ((data,), {"probe_depths": 6}), ((data,), {"probe_questions": 9}),
    )]  # fmt: skip
    assert digests[0] == digests[1] and len(set(digests)) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_template": "{haystack}"}, None),
        ({"task_template": "{question}"}, "id 0902: `task_template` must have one {haystack}"),
        ({"task_template": "{haystack} {question} {more}"}, "id 0902: `task_template` must have one {haystack}"),
        ({"task_template": "{haystack} {question} {"}, "id 0902: `task_template` must have one {haystack}"),
        ({"tests": {"T": {"input_args": ["cow"]}}}, "id 0902: has neither `character_set` nor `gold_answers`"),
        ({"tests": {"T": {"input_args": ["cow"], "gold_answers": "moo"}}}, None),
        ({"needle": "{CHAR} saw a {1}."}, "id 0902: has neither `character_set` nor `gold_answers`"),
    ],
)
def test_damaged_entries_are_named(tmp_path, change, message):
    entries = nolima_folder.needle_set()
    folder = str(nolima_folder.save(tmp_path, [entries[0], {**entries[1], **change}]))
    if message is None:
        assert made(folder).questions
        return
    with pytest.raises(ProbeError) as caught:
        made(folder)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe_needles": "x"}, "nolima: unknown key `probe_needles`; did you mean `probe_needle_set`?"),
        ({"probe_depths": 1}, "nolima: `probe_depths` must be at least 2"),
        (
            {"probe_length": 20_000},
            r"rand_book_1\.txt: its 401 lines do not fill probe_length=20000; lower probe_length",
        ),
        (
            {"probe_depths": 200},
            r"probe_length=1500 holds only \d+ lines of rand_book_1\.txt, fewer than probe_depths=200",
        ),
        ({"probe_length": 280}, r"probe_length=280 does not hold one line of rand_book_1\.txt beside needle"),
    ],
)
def test_mistakes_are_named(data, options, message):
    with pytest.raises((ConfigError, ProbeError), match=message):
        made(data, **options)
