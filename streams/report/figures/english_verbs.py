"""English verbs that begin requests, in their base form."""

VERBS = frozenset(
    """
    abbreviate act adapt add address adjust advise alphabetize alter analyse analyze annotate answer
    apply appraise approximate argue arrange articulate ask assemble assess assign assume attempt
    balance begin bold book brainstorm break build calculate cancel capitalize catalog categorise
    categorize change characterize check choose cite clarify classify code collect combine come
    comment compare compile complete compose compress compute conceive conclude condense conduct
    configure confirm connect consider construct contrast convert convince copy correct count craft
    create criticize critique customize debug decide decipher decode decompose define delete deliver
    demonstrate denote depict derive describe design detail detect determine develop devise diagnose
    differentiate discover discuss display distinguish divide do document draft draw edit elaborate
    eliminate employ enumerate establish estimate evaluate examine execute expand explain explore
    express extend extract fetch figure fill filter find finish fix follow forecast form format
    formulate generate get give go grade greet group guess guide help highlight hypothesize identify
    illustrate imagine implement improve include incorporate indicate infer inform insert inspect
    install interpret introduce invent investigate invite join jot judge justify keep label learn
    let list locate look make map mark match measure memorize mention merge modify monitor name
    narrate negotiate note number observe obtain offer optimize order organise organize outline
    output paint paraphrase parse perform persuade pick place plan play point populate pose post
    practice predict prepare present pretend print prioritise prioritize process produce program
    pronounce propose prove provide punctuate put quote rank rate rationalize read rearrange
    recall recast recite recommend record reduce refactor refer reflect reformat reformulate
    rename reorder reorganize repair repeat rephrase replace report represent request research
    respond restate restructure retrieve return reverse review revise rewrite rhyme round run say
    scan schedule score search segregate select send separate sequence set share shorten show
    simplify simulate sketch solve sort speculate spell split standardize start state structure
    study substitute subtract suggest sum summarise summarize supply support suppose synthesize
    tabulate tag take talk teach tell test think trace track transcribe transform translate
    transpose troubleshoot try turn type uncover underline unscramble update use utilize validate
    verify visit visualize vote walk warn work write
    """.split()
)

QUESTION_WORDS = frozenset("what who whom whose which when where why how".split())
AUXILIARIES = frozenset(
    """
    is are was were am do does did has have had can could will would should shall may might must
    isn't aren't wasn't weren't don't doesn't didn't hasn't haven't can't couldn't won't wouldn't
    shouldn't
    """.split()
)
POLITE = frozenset(
    "please kindly now then next also ok okay hi hello hey so just and first".split()
)
DETERMINERS = frozenset(
    """
    a an the this that these those my your his her its our their some any each every all both
    another no several many few more most other one's
    """.split()
)
PRONOUNS = frozenset("me us him them it you i we he she they myself yourself".split())
NUMBERS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve twenty hundred dozen".split()
)
ENDS = frozenset(
    """
    of for about in on at by with without from to into onto between among against over under through
    during before after above below across around as than that which who whose whom where when why
    how if whether while because since until and or but so such like including using based is are
    was were be been being am do does did has have had can could will would should shall may might
    must not there here per via within upon towards toward regarding concerning involving containing
    explaining describing called named given out up down off back away mentioned listed
    """.split()
)
"""Words that no noun phrase goes on with."""
MODIFIERS = frozenset(
    """
    short brief detailed simple good best better great new old different similar following given
    above main major important key possible famous popular common top first last second third
    main creative interesting funny unique concise long step complete full real own same very
    specific correct appropriate american random positive negative quick small large big
    """.split()
)
"""Adjectives that can stand last before a pause and are no objects."""
PREPOSITIONS = frozenset(
    """
    in on at by with without from to for about as of after before during given using based if when
    while considering according assuming per between among imagine suppose under over because
    since thinking looking reading
    """.split()
)
"""Words that begin what comes before a request, as in "Based on the text, list ..."."""
