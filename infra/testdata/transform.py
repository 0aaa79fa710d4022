"""Writes what CloudFormation gets of a SAM template: the output of AWS's own transform, as JSON."""

import json
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoPolicies:
    """The transform asks for AWS's managed policies by name. The template uses none of them."""

    def load(self):
        return {}


with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"  # as `sam package` does
json.dump(transform(template, {}, NoPolicies()), sys.stdout)
