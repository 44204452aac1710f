package hook

// eventTypes is the vocabulary of CDEvents 0.6, one type a line: its name with the
// version of its own, then the fields of its subject's content. A field is
// name:type, with ! where it is required. The types: s a text, s1 one that is not
// empty, uri and ref an absolute URI and any reference (with 1: not empty), (a|b) one
// of these words, [s] a list of texts, {…} an object with these fields and, where it
// ends with *, others; @ is {id!:s1 source:ref1}, & is {id!:s1 source:s}.
//
// Before the fields stands "~" where the context's source may be any text, "&" where
// the subject's may, and "+type" where the subject says what it is.
const eventTypes = `
approval.closed.0.1.0 approvalDetailsUrl!:s1 resourceTargetUrl!:s1 responder!:uri decision!:(escalated|delegate|deferred|requestChanges|approved|rejected) status!:(approved|rejected|cancelled|expired)
approval.created.0.1.0 approvalDetailsUrl!:s1 resourceTargetUrl!:s1 requestor!:uri1
approval.updated.0.1.0 approvalDetailsUrl!:s1 resourceTargetUrl!:s1 responder!:uri decision!:(escalated|delegate|deferred|requestChanges|approved|rejected)
artifact.deleted.0.2.0 user:s1
artifact.downloaded.0.2.0 user:s1
artifact.packaged.0.3.0 change!:@ sbom:{uri!:ref1}
artifact.published.0.3.0 sbom:{uri!:ref1} user:s1
artifact.signed.0.3.0 signature!:s1
branch.created.0.3.0 repository:@
branch.deleted.0.3.0 repository:@
build.finished.0.3.0 artifactId:s
build.queued.0.3.0
build.started.0.3.0
change.abandoned.0.3.0 repository:@
change.created.0.4.0 description:s1 repository:@
change.merged.0.3.0 repository:@
change.reviewed.0.3.0 repository:@
change.updated.0.3.0 repository:@
environment.created.0.3.0 name:s uri:uri
environment.deleted.0.3.0 name:s
environment.modified.0.3.0 name:s uri:uri
incident.detected.0.3.0 description:s environment!:@ service:@ artifactId:s1
incident.reported.0.3.0 description:s environment!:@ ticketURI!:uri1 service:@ artifactId:s1
incident.resolved.0.3.0 description:s environment!:@ service:@ artifactId:s1
pipelinerun.finished.0.3.0 pipelineName:s uri:uri outcome:(success|failure|cancel|error) errors:s
pipelinerun.queued.0.3.0 pipelineName:s uri:uri
pipelinerun.started.0.3.0 pipelineName!:s uri!:uri
repository.created.0.3.0 name!:s1 owner:s uri!:uri viewUrl:uri
repository.deleted.0.3.0 name:s owner:s uri:uri viewUrl:uri
repository.modified.0.3.0 name:s owner:s uri:uri viewUrl:uri
service.deployed.0.3.0 environment!:@ artifactId!:s1
service.published.0.3.0 environment:@
service.removed.0.3.0 environment:@
service.rolledback.0.3.0 environment!:@ artifactId!:s1
service.upgraded.0.3.0 environment!:@ artifactId!:s1
taskrun.finished.0.3.0 taskName:s uri:uri pipelineRun:@ outcome:(success|failure|cancel|error) errors:s
taskrun.started.0.3.0 taskName:s uri:uri pipelineRun:@
testcaserun.finished.0.3.0 ~ & outcome!:(success|failure|cancel|error) severity:(low|medium|high|critical) reason:s environment!:@ testSuiteRun:& testCase:{id!:s1 version:s name:s type:(performance|functional|unit|security|compliance|integration|e2e|other) uri:uri}
testcaserun.queued.0.3.0 ~ & trigger:{type:(manual|pipeline|event|schedule|other) uri:uri *} environment!:@ testSuiteRun:& testCase:{id!:s1 version:s name:s type:(performance|functional|unit|security|compliance|integration|e2e|other) uri:uri}
testcaserun.skipped.0.2.0 ~ & reason:s environment:@ testSuiteRun:& testCase:{id!:s1 version:s name:s type:(performance|functional|unit|security|compliance|integration|e2e|other) uri:uri}
testcaserun.started.0.3.0 ~ & trigger:{type:(manual|pipeline|event|schedule|other) uri:uri *} environment!:@ testSuiteRun:& testCase:{id!:s1 version:s name:s type:(performance|functional|unit|security|compliance|integration|e2e|other) uri:uri}
testoutput.published.0.3.0 ~ & outputType!:(report|video|image|log|other) format!:s uri:uri testCaseRun:&
testsuiterun.finished.0.3.0 ~ & environment!:@ testSuite:{id!:s1 version:s name:s uri:uri} outcome!:(success|failure|cancel|error) severity:(low|medium|high|critical) reason:s
testsuiterun.queued.0.3.0 ~ & trigger:{type:(manual|pipeline|event|schedule|other) uri:uri *} environment!:@ testSuite:{id!:s1 version:s name:s uri:uri}
testsuiterun.started.0.3.0 ~ & trigger:{type:(manual|pipeline|event|schedule|other) uri:uri *} environment!:@ testSuite:{id!:s1 version:s name:s uri:uri}
ticket.closed.0.2.0 +ticket summary:s ticketType:s group:s creator:s1 assignees:[s] priority:s labels:[s] milestone:s uri!:ref1 resolution!:s1 updatedBy:s
ticket.created.0.2.0 summary!:s ticketType:s group:s creator!:s1 assignees:[s] priority:s labels:[s] milestone:s uri!:ref1
ticket.updated.0.2.0 summary:s ticketType:s group:s creator:s1 assignees:[s] priority:s labels:[s] milestone:s updatedBy:s uri!:ref1
`
