"""The verifier: rules about a reply, and the verdict that they make together.

    checks = verify.prepare(params.checks, params.without)      before a model is asked
    watch = watch.Watch(checks); watch.take(piece)              while the reply comes
    verdict = await apart.Verifier().verify(checks, request, reply, answers)
    advice = repair.advise(verdict)                             what to do about it, as data

`kinds` is the table of all types of check.
"""
