"""gluon2pytorch's setup.py reads its requirements through pip's own code, as pip had it in 2019."""

from pip._internal.req.req_file import ParsedRequirement

ParsedRequirement.req = property(lambda requirement: requirement.requirement)
