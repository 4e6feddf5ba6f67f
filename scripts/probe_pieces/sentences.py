"""Sentences of abstracts that nobody wrote: ten invented research domains, some fifty sentence shapes.

A sentence keeps to the vocabulary of one domain, so that it hangs together. Rules of the published pieces: 17 to 31
words, one dot at the end, a piece of exactly eight consecutive words. Ours: no eight words occur in two sentences.
"""

import random
from collections.abc import Iterator

from probe_pieces.domains import DOMAINS
from probe_pieces.expansion import Rule, expand
from probe_pieces.names import matter, person, place, plural, with_article

WORDS = range(17, 32)
PIECE_WORDS = 8

SHAPES = (
    "<we> <reported> that <clause>, <aside>",
    "<we> <reported> that <clause> whenever <clause>",
    "<we> <measured> <quantity> in <count> <things> from <place> and <place> and found <finding>",
    "Although <clause>, <clause>",
    "Although <clause>, <things> near <place> <behave> <extent>",
    "Because <clause>, <we> <measured> <quantity> with <method> instead of <method>",
    "Because <quantity> is hard to observe directly, <we> inferred it from <quantity> using <method> calibrated at <place>",
    "In <region>, where <clause>, <thing> is usually <judged> <than>",
    "Unlike <adj> <things>, <adj> <things> <behave> <extent>, which <implication>",
    "<person> and <person> argued that <clause>, but <counter>",
    "By combining <method> with <method>, <we> were able to <separate> <quantity> from <quantity> <circumstance>",
    "It remains unclear whether <clause>, yet <clause>",
    "Of the <count> <things> <collected>, only <few> showed <finding>, and none of them <lacked> <feature>",
    "When <event> <came>, <quantity> <changed> <extent> and <did_not_recover>",
    "What distinguishes <adj> <things> from <adj> ones is not <quantity> but <quantity>, <aside>",
    "Between <year> and <later>, <quantity> of <things> around <place> <changed> <extent>, <aside>",
    "Neither <quantity> nor <quantity> explains why <things> in <region> <behave> <extent>",
    "<opener>, <adj> <thing> from <place> <changed_s> <extent>, and <implication_full>",
    "<opener>, <clause>, while <clause>",
    "The <adj> <thing> discovered by <person> near <place> <has> <feature> that <earlier> had <missed>",
    "<method_cap> <revealed> that <clause>, even though <earlier> had <missed> it",
    "If <clause>, then <quantity> should <change> <extent>, a prediction that <person> tested in <region>",
    "A survey of <count> <things> in <region> suggests that <clause> and that <clause>",
    "To <separate> <quantity> from <quantity>, <we> built <instrument> and <tested> it on <count> <things>",
    "There is growing evidence, most of it from <region>, that <clause> <circumstance>",
    "So far no <adj> <thing> has been found whose <bare_quantity> <changed> <extent> <circumstance>",
    "The question raised by <person>, namely whether <clause>, is answered here with <method>",
    "At <place>, <count> kilometres from the nearest <thing>, <clause> <circumstance>",
    "<things_cap> that <had_been> <treated> with <matter> <behave> <extent>, but those left untreated did not",
    "Whether or not <clause>, <judgement> that <quantity> <depends> <quantity>",
    "Rather than <doing> <quantity> for each <thing> separately, <we> <treated_all> and let <method> do the rest",
    "<person> was the first to notice that <clause>, and <later_work> has <confirmed> it <circumstance>",
    "Only after <event> did it become apparent that <clause>, <aside>",
    "This <paper> describes <instrument> for <doing> <quantity> in <things>, together with <count> examples from <region>",
    "Our <count> <adj> <things> fall into two groups: those with <feature>, and those in which <clause>",
    "As <event> approaches, <things> <behave> <extent>, so that <quantity> can be read from <method> alone",
    "Both <method> and <method> place the <adj> <thing> of <place> <number> years earlier than <person> had supposed",
    "<quantity_cap>, long taken to be <judged>, turns out to <depend> <quantity> and on whether <clause>",
    "Until <event>, <clause>; since then, <quantity> has <changed> <extent>",
    "How <quantity> <depends> <quantity> is known for <adj> <things>, but not for those of <region>",
    "Visitors to <place> have long remarked that <clause>, and <method> now shows that they were <judged_right>",
    "The cost of <doing> <quantity> has fallen so far that <even> can keep <count> <things> under watch <circumstance>",
    "Three of the <adj> <things> at <place> carry traces of <matter>, which <implication> and <changed> <quantity>",
    "Once <quantity> had <changed> <extent>, <we> replaced <method> by <method> and repeated the work in <region>",
    "A model with only two parameters, <bare_quantity> and <bare_quantity>, <reproduces> what <person> saw in <region>",
    "Not every <thing> <behave_s> this way: near <place>, for example, <clause> <circumstance>",
    "With <method>, <even> can now <separate> <quantity> from <quantity>, a task that once <took>",
    "Among <things> of the same age, those with <feature> <behave> <extent>, <aside>",
    "Tests with <count> <things> and <few> <other> showed that <instrument> <works> <circumstance>",
    "The <adj> <things> of <region> owe <their> <bare_quantity> to <matter>, not, as <person> believed, to <event>",
)
CLAUSES = (
    "<quantity> <depends> <quantity>",
    "<quantity> <changed> <extent>",
    "<adj> <things> <behave> <extent>",
    "<things> with <feature> <behave> <extent>",
    "most <things> <lacked> <feature>",
    "<event> left <things> with <feature>",
    "<event> <came> before <quantity> <changed>",
    "<person> had kept no record of <quantity>",
    "<count> of the <adj> <things> were lost to <event>",
    "<quantity> cannot be told apart from <quantity>",
    "<method> <overstates> <quantity>",
    "<instrument> <works> <circumstance>",
    "the <adj> <thing> of <place> still <has> <feature>",
    "<things> and <other> share <feature>",
    "traces of <matter> were found in <few> <things>",
)
COMMON: dict[str, Rule] = {
    "clause": CLAUSES,
    "we": "we|we|we|the authors|the survey team|our group|two independent teams|volunteers at <place>|the <place> group".split("|"),
    "reported": "report|show|find|confirm|propose|argue|conclude|demonstrate".split("|"),
    "measured": "measured|recorded|compared|estimated|tracked|mapped|sampled".split("|"),
    "doing": "measuring|estimating|predicting|monitoring|reconstructing|recording|comparing".split("|"),
    "separate": "separate|distinguish|isolate|disentangle|decouple".split("|"),
    "behave": "respond|vary|differ|deteriorate|recover|diverge|stabilise|adapt|age|drift".split("|"),
    "behave_s": "responds|varies|deteriorates|recovers|ages|drifts|adapts".split("|"),
    "changed": "rose|fell|doubled|declined|fluctuated|levelled off|increased|dropped|shifted|changed".split("|"),
    "changed_s": "changed|weakened|shrank|grew|hardened|moved|thinned".split("|"),
    "change": "rise|fall|decline|increase|drop|shift|double|level off".split("|"),
    "extent": (
        "only slightly|by about <percent> percent|far more slowly than expected|within <count> <periods>|as <person> predicted|"
        "almost without exception|in much the same way|twice as fast as those of <place>|more sharply in <season>|"
        "for no obvious reason|by a factor of <count>|gradually rather than abruptly|from one <period> to the next|"
        "at nearly every site|only in <season>|beyond what <method> can resolve"
    ).split("|"),
    "aside": (
        "a pattern that <person> had already suspected|at least in <region>|which <implication>|"
        "and the effect is strongest near <place>|contrary to what <earlier> suggested|with <few> exceptions, all of them from <place>|"
        "although the sample is small|as the record from <place> makes plain|and this holds for <adj> <things> too|"
        "a difference too large to be put down to chance|and no simpler account fits|if the dates given by <person> are right"
    ).split("|"),
    "implication": (
        "rules out <event> as the cause|calls for a second look at <method>|leaves little room for doubt|"
        "agrees with <earlier>|complicates the picture drawn by <person>|makes <instrument> a poor choice|"
        "may explain the losses near <place>|points to <event>|was not foreseen by <earlier>"
    ).split("|"),
    "implication_full": (
        "<person> has since reached the same view|this alone <implication>|the reason is still debated in <region>|"
        "a second visit to <place> confirmed it|repeating the work in <season> made no difference"
    ).split("|"),
    "finding": (
        "<feature>|no sign of <feature>|that <clause>|a weak link with <quantity>|values close to those of <place>|"
        "more variation than <earlier> allowed for|<feature> in all but <few> of them"
    ).split("|"),
    "counter": (
        "the <adj> <things> of <place> tell another story|our record of <quantity> <implication>|<clause>|"
        "<method> gives no support for this|<few> <things> are not enough to decide the matter"
    ).split("|"),
    "circumstance": (
        "in <season>|under <adj> conditions|for up to <count> <periods>|without <instrument>|at <place> but not at <place>|"
        "even after <event>|outside <region>|during <event>|for as long as <count> <periods>|in all but <few> cases"
    ).split("|"),
    "opener": (
        "In contrast to <earlier>|Over <count> <periods>|Surprisingly|In <season> of <year>|Near <place>|For reasons that <person> explains|"
        "During <event>|More often than not|On closer inspection|As expected from <method>|According to <person>|Within <region>|Elsewhere in <region>"
    ).split("|"),
    "earlier": (
        "earlier surveys|previous work|the handbook of <person>|the <year> census|all older accounts|"
        "the <place> catalogue|an earlier study by <person>|standard textbooks"
    ).split("|"),
    "than": "than <thing_a> of the same size|than anywhere along the coast|than in the rest of <region>|than <earlier> would have it".split("|"),
    "judged": "less stable|more costly|simpler|better preserved|harder to date|more reliable|less common|easier to repair".split("|"),
    "judged_right": "right|mistaken|half right|too cautious|right for the wrong reason".split("|"),
    "judgement": "it is certain|we find|it seems likely|few now doubt|the data confirm".split("|"),
    "depends": "depends on|is governed by|is limited by|follows|lags behind|tracks|is insensitive to|scales with".split("|"),
    "depend": "depend on|follow|be governed by|be limited by|vary with".split("|"),
    "overstates": "overstates|understates|captures|misses|reproduces|smooths out|exaggerates".split("|"),
    "reproduces": "reproduces|predicts|accounts for|comes close to|fails to explain".split("|"),
    "revealed": "revealed|shows|confirmed|indicates|made it clear|leaves no doubt".split("|"),
    "collected": "collected near <place>|examined in <season>|recorded by <person>|listed in <earlier>|that survived <event>".split("|"),
    "lacked": "lacked|kept|developed|shared|lost|regained".split("|"),
    "has": "has|bears|shows|retains".split("|"),
    "missed": "overlooked|missed|dismissed|mistaken for damage|left out".split("|"),
    "came": "came early|began|passed|reached <place>|ended|set in".split("|"),
    "did_not_recover": "did not recover before <season>|returned to normal within <count> <periods>|stayed there|recovered only near <place>".split("|"),
    "had_been": "had been|were|had once been".split("|"),
    "treated": "treated|coated|rinsed|brought into contact|stored".split("|"),
    "treated_all": "pooled all of them|ranked them by age|took one measurement in <season>|sorted them by origin".split("|"),
    "later_work": "later work|every study since|the <year> expedition|nearly all later work".split("|"),
    "confirmed": "confirmed|qualified|extended|contradicted|refined".split("|"),
    "paper": "paper|note|chapter|report|thesis".split("|"),
    "tested": "tested|tried|calibrated|proved".split("|"),
    "even": "a small laboratory|a single observer|any school|even <few> volunteers|a town the size of <place>".split("|"),
    "works": "works well|performs poorly|gives steady readings|needs frequent repair|can be trusted|tends to fail".split("|"),
    "took": "took <count> <periods>|kept <person> busy for <count> <periods>|was thought impossible|needed <instrument>".split("|"),
    "their": ["their", "much of their", "little of their"],
    "count": "three four six seven nine eleven twelve fourteen sixteen nineteen twenty thirty forty fifty sixty ninety".split(),
    "few": ["two", "three", "four", "five", "a handful of", "very few"],
    "percent": lambda rng: str(rng.randint(3, 88)),
    "number": lambda rng: str(rng.randint(20, 900)),
    "year": lambda rng: str(rng.randint(1804, 1940)),
    "later": lambda rng: str(rng.randint(1941, 2019)),
    "periods": "days|weeks|months|seasons|years|decades".split("|"),
    "period": "day|week|month|season|year|decade".split("|"),
    "season": "spring|late summer|autumn|winter|the dry season|early March|October|the rainy months|midsummer".split("|"),
    "region": "the <place> basin|<place> province|the uplands of <place>|the <place> archipelago|greater <place>|the lower <place> valley|southern <place>".split("|"),
    "place": place,
    "person": person,
    "matter": matter,
}  # fmt: skip


def _rules(domain: dict[str, list[str]]) -> dict[str, Rule]:
    """The common rules with one domain's nouns in their several forms."""

    def capital(symbol: str) -> Rule:
        return lambda rng: (text := expand(rules, symbol, rng))[0].upper() + text[1:]

    rules: dict[str, Rule] = {
        **COMMON,
        "thing": domain["things"],
        "things": [plural(noun) for noun in domain["things"]],
        "other": [plural(noun) for noun in domain["things"]],
        "thing_a": lambda rng: with_article(rng.choice(domain["things"])),
        "adj": domain["adjectives"],
        "bare_quantity": domain["quantities"],
        "quantity": ["the <bare_quantity>", "<bare_quantity>", "the <bare_quantity> of <adj> <things>"],
        "method": domain["methods"],
        "instrument": lambda rng: with_article(rng.choice(domain["instruments"])),
        "event": domain["events"],
        "feature": domain["features"],
        "method_cap": capital("<method>"),
        "things_cap": capital("<things>"),
        "quantity_cap": capital("<quantity>"),
    }
    return rules


def sentences(rng: random.Random) -> Iterator[dict[str, str]]:
    """Rows of document_sentences.jsonl without end; each has its piece drawn uniformly over possible starts."""
    grammars = [_rules(domain) for domain in DOMAINS.values()]
    seen: set[tuple[str, ...]] = set()
    while True:
        text = expand(rng.choice(grammars), rng.choice(SHAPES), rng)
        words = f"{text[0].upper()}{text[1:]}".split()
        eights = {tuple(words[i : i + PIECE_WORDS]) for i in range(len(words) - PIECE_WORDS + 1)}
        repetitive = len(set(words)) < 0.8 * len(words)
        if len(words) not in WORDS or repetitive or eights & seen:
            continue
        seen |= eights
        start = rng.randrange(len(words) - PIECE_WORDS + 1)
        yield {"sentence": f"{' '.join(words)}.", "piece": " ".join(words[start : start + PIECE_WORDS])}
