"""The nouns and adjectives of ten invented research domains, for `sentences`.

`things` and `instruments` are singular and regular, `methods`, `events`, `features` and `quantities` stand as they are.
"""

_TEXT = """
# water
things: tidal pool|canal lock|reservoir|spring|delta channel|culvert|salt marsh|mill pond|aqueduct|well|flood gauge|weir
adjectives: brackish|shallow|spring-fed|upland|silted|abandoned|tidal|artificial|seasonal|overgrown
quantities: salinity|rate of seepage|depth of silt|summer outflow|water temperature|turbidity|oxygen content|evaporation|flow velocity
methods: dye tracing|core sampling|echo sounding|weekly gauging|isotope analysis|float counting|satellite altimetry
instruments: current meter|floating sensor|staff gauge|evaporation pan|sediment trap|pressure logger
events: the spring flood|the drought of <year>|the dredging of <place> harbour|the first thaw|the storm surge|the opening of the sluices
features: banded clay|a double outlet|mats of green algae|an undercut bank|layers of <matter>|a reversed current
# materials
things: alloy|ceramic tile|resin film|glass fibre|crystal|coated wire|cement block|polymer sheet|battery cell|weld|thin plate
adjectives: annealed|porous|brittle|doped|layered|cast|recycled|translucent|sintered|amorphous
quantities: tensile strength|grain size|thermal expansion|surface roughness|fracture energy|electrical resistance|density|fatigue life|hardness
methods: neutron imaging|slow bending|laser scanning|thermal cycling|electron microscopy|acoustic testing|X-ray tomography
instruments: tube furnace|bending rig|vacuum chamber|microbalance|strain gauge|diamond press
events: prolonged heating|the second firing|rapid cooling|exposure to salt spray|the failure at <place>|repeated loading
features: hairline cracks|a fibrous core|a skin of <matter>|trapped bubbles|sharp grain boundaries|a violet tint
# manuscripts
things: charter|psalter|ledger|marginal note|scribal hand|letter|dialect map|glossary|ballad|chronicle|palimpsest|almanac
adjectives: illuminated|undated|fragmentary|bilingual|provincial|forged|annotated|early|monastic|rhymed
quantities: frequency of abbreviations|line length|ink density|number of copyists|spelling variation|age of the binding|vocabulary|word order
methods: multispectral imaging|stemmatic analysis|ink spectroscopy|collation by hand|dendrochronology|comparison of watermarks
instruments: light table|portable spectrometer|collation sheet|imaging frame|concordance
events: the fire at <place> abbey|the reform of <year>|the spread of printing|the death of abbot <person>|the sale of the library|rebinding
features: erased initials|a northern spelling|red rubrics|pigments of <matter>|two columns to the page|repaired edges|a later signature
# ecology
things: orchard|lichen|beetle colony|hedgerow|finch|moss bed|wasp nest|seedling|fungus ring|meadow plot|heron|rock crab
adjectives: grazed|coastal|alpine|nocturnal|invasive|shaded|burnt|solitary|migratory|long-lived
quantities: seed mass|brood size|canopy cover|foraging range|soil acidity|growth rate|leaf area|survival over winter|species richness|call frequency
methods: pitfall trapping|ringing of adults|aerial photography|transect walks|genetic barcoding|acoustic recording|mark and recapture
instruments: light trap|seed counter|nest camera|soil probe|mist net|leaf scanner
events: the late frost|the removal of sheep|flowering|the fire season|the arrival of the <place> moth|clearing|the autumn migration
features: paler markings|shallow roots|a second brood|waxy leaves|a taste for <matter>|fewer parasites|an early moult
# astronomy
things: dwarf planet|comet|pulsar|dust ring|star cluster|moonlet|meteor shower|binary system|nebula|sunspot group|faint galaxy
adjectives: distant|variable|eclipsing|metal-poor|irregular|cold|newly listed|fast-rotating|reddened|compact
quantities: rotation period|surface brightness|orbital inclination|dust temperature|radial velocity|magnetic field strength|albedo|luminosity
methods: speckle imaging|radio interferometry|slit spectroscopy|occultation timing|long exposure|plate archives|polarimetry
instruments: robotic telescope|coronagraph|radio dish|infrared camera|photometer|fibre spectrograph
events: perihelion|the outburst of <year>|the transit|the eclipse seen from <place>|the last conjunction|the flare
features: a double tail|lines of <matter>|a dark lane|uneven limbs|a faint halo|flickering at short wavelengths|a lopsided disc
# medicine
things: clinic|night nurse|skin graft|vaccine trial|knee implant|outpatient|ward|saliva sample|hearing aid|surgical team|blood bank
adjectives: rural|elderly|randomised|short-staffed|chronic|post-operative|mobile|urban|first-time|understaffed
quantities: waiting time|resting heart rate|infection rate|bone density|sleep quality|dose|recovery time|blood pressure|readmission rate
methods: blinded interviews|ultrasound|home monitoring|chart review|gait analysis|a crossover design|weekly blood tests
instruments: wrist monitor|dosing pump|breath analyser|pain diary|pressure cuff|hearing chart
events: the influenza wave|the move to <place> hospital|discharge|the change of shift|early surgery|the shortage of <matter>
features: mild swelling|fewer side effects|a delayed response|raised levels of <matter>|poor sleep|complete remission
# trade
things: market town|spice dealer|guild|toll road|grain store|lender|auction|ferry company|workshop|pawnshop|insurer|copper mine
adjectives: inland|taxed|rival|indebted|licensed|family-owned|seasonal|informal|state-run|bankrupt
quantities: price of barley|interest rate|volume of trade|wage level|tariff|rate of default|share of silver coin|cost of carriage|harvest tax
methods: price series|probate records|interviews with traders|a natural experiment|tax rolls|network analysis|panel regression
instruments: price index|household survey|ledger database|shipping register|random audit
events: the currency reform|the siege of <place>|the opening of the <place> canal|the harvest failure of <year>|the abolition of tolls|the bank run
features: long credit lines|a single supplier|hidden reserves|debts payable in <matter>|two sets of books|idle capacity
# computing
things: scheduler|cache|compiler pass|sensor network|parser|data centre|routing table|file system|search index|robot arm|message queue
adjectives: distributed|lock-free|legacy|fault-tolerant|incremental|speculative|overloaded|verified|low-power|stateless
quantities: memory footprint|tail latency|error rate|throughput|energy per query|queue length|compile time|packet loss|hit rate
methods: trace replay|fuzz testing|static analysis|a formal proof|random sampling|fault injection|profiling
instruments: test bench|cycle counter|load generator|trace recorder|power meter|simulator
events: the failover|a burst of requests|the upgrade at <place>|a cold start|the outage of <year>|garbage collection
features: a single bottleneck|unbounded queues|stale entries|two levels of indirection|duplicated keys|a race condition
# music
things: bell|lute|organ pipe|choir|folk tune|violin|lullaby|dance hall|drum skin|harpsichord|rehearsal room|reed
adjectives: tuned|muted|baroque|untrained|restored|wooden|pentatonic|amateur|resonant|cracked
quantities: reverberation time|pitch|tempo|loudness|vibrato rate|timbre|string tension|tuning stability|bow pressure
methods: spectral analysis|blind listening tests|modal tapping|laser vibrometry|archive recordings|motion capture
instruments: tuning fork|contact microphone|artificial mouth|string winder|sound booth
events: the festival at <place>|the restoration by <person>|a cold rehearsal|the tour of <year>|the loss of the west tower|retuning
features: a sour fifth|varnish rich in <matter>|a slow decay|uneven beats|an added voice|a drone below the tune
# archaeology
things: burial mound|kiln|harbour wall|coin hoard|hill fort|midden|loom weight|roof tile|mosaic|stone axe|causeway|granary
adjectives: plundered|coastal|fortified|waterlogged|terraced|early|imported|rebuilt|unfinished|ceremonial
quantities: charcoal content|firing temperature|wall thickness|date of abandonment|number of hearths|share of imported pottery|burial depth
methods: radiocarbon dating|ground radar|pollen analysis|use-wear analysis|drone survey|phosphate mapping|residue analysis
instruments: magnetometer|sieving station|flotation tank|total station|drone camera
events: the eruption|the building of the <place> road|ploughing|the raid of the <place> fleet|the excavation of <year>|resettlement
features: a paved threshold|beads of <matter>|burnt timbers|an inner ditch|painted plaster|reused stones|a blocked doorway
"""


def _parse(text: str) -> dict[str, dict[str, list[str]]]:
    domains: dict[str, dict[str, list[str]]] = {}
    for line in text.strip().splitlines():
        if line.startswith("# "):
            name = line[2:]
            domains[name] = {}
        else:
            key, _, values = line.partition(": ")
            domains[name][key] = values.split("|")
    return domains


DOMAINS = _parse(_TEXT)
