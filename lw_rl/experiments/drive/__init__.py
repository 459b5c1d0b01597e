"""Whether a learned driver pays: the study ``lw-rl study drive``.

What is recorded of problems, the learners and baselines that are set beside one another on them,
the tests on unseen problems, report and figures. It may be changed freely: no solver imports it.
It imports training, environments and benchmark.
"""
