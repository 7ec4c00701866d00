/* SPDX-License-Identifier: MIT */
/* See hub_words.h. */
#include <stdio.h>
#include <string.h>

#include "hub-callback/hub_words.h"
#include "hub-callback/reply.h"

/* What a status means, by mode (HUB_SPAWN, HUB_STOCK, HUB_ADOPT), and what to do about it. */
struct meaning {
	long status;
	enum hub_outcome outcome;
	const char *words[3];
};

#define HANDLER_MISSING                                                                        \
	"or the hub lacks the handler of spank-jupyter: its configuration must load "          \
	"jupyterhub_spank_spawner"
#define MALFORMED                                                                              \
	"the hub finds the request malformed: its jupyterhub-spank-spawner and this "          \
	"spank-jupyter do not fit"
#define NO_CREDENTIAL                                                                          \
	"the hub does not take the munge credential: the hub's host and this node need the "   \
	"same munge key and the same time, and hub_user in [site] of spank-jupyter.conf must " \
	"be the account that the hub runs as"
#define NO_TOKEN                                                                               \
	"the server's token (JUPYTERHUB_API_TOKEN) is wrong or was revoked: the hub has "      \
	"stopped this server"
#define NO_POST                                                                                \
	"the URL is not that of a hub's API: it ends in /hub/api, as JUPYTERHUB_API_URL does"

static const struct meaning meanings[] = {
	{400,
	 HUB_REFUSED,
	 {MALFORMED, "the hub finds the request of batchspawner malformed", MALFORMED}},
	{401, HUB_REFUSED, {NO_CREDENTIAL, NO_TOKEN, NO_CREDENTIAL}},
	{403,
	 HUB_GONE,
	 {"the hub says that this is not yours: the user, the job, the spawn or the address is "
	  "not the one that it knows",
	  NO_TOKEN,
	  "the hub says that this is not yours: it knows another user of this name, or the "
	  "address is not one of the job's nodes"}},
	{404,
	 HUB_GONE,
	 {"the hub does not know this spawn (it was stopped or forgotten), " HANDLER_MISSING,
	  "the hub does not know batchspawner's callback: its configuration lacks the line "
	  "`import batchspawner`",
	  "the hub does not know this user or server, " HANDLER_MISSING}},
	{405, HUB_REFUSED, {NO_POST, NO_POST, NO_POST}},
	{409,
	 HUB_GONE,
	 {"another job has presented this spawn's id", "the hub has another server there",
	  "the hub has another server of this name"}},
	{410,
	 HUB_GONE,
	 {"this spawn was cancelled at the hub", "this server was stopped at the hub",
	  "this server was stopped at the hub"}},
	{408,
	 HUB_AGAIN,
	 {"the hub has not got the whole request in time",
	  "the hub has not got the whole request in time",
	  "the hub has not got the whole request in time"}},
	{425,
	 HUB_AGAIN,
	 {"the hub asks for another try", "the hub asks for another try",
	  "the hub asks for another try"}},
	{429,
	 HUB_AGAIN,
	 {"the hub has too many requests at the moment",
	  "the hub has too many requests at the moment",
	  "the hub has too many requests at the moment"}},
	{503,
	 HUB_AWAY,
	 {"the hub cannot take requests at the moment: it starts or ends, or munge on its host "
	  "is down",
	  "the hub cannot take requests at the moment: it starts or ends",
	  "the hub cannot take requests at the moment: it starts or ends, or munge on its host "
	  "is down"}},
};

static enum hub_outcome meaning_of(const struct hub_identity *identity,
				   const struct http_reply *reply, char *words, size_t size)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == reply->status) {
			snprintf(words, size, "%s", meanings[i].words[identity->mode]);
			return meanings[i].outcome;
		}
	if (reply->status >= 500 && reply->status <= 599) {
		snprintf(words, size, "the hub has failed: its log says why");
		return HUB_AWAY;
	}
	if (reply->status >= 400 && reply->status <= 499) {
		snprintf(words, size, "the hub refuses the request");
		return HUB_REFUSED;
	}
	if (reply->status >= 300 && reply->status <= 399) {
		snprintf(words, size,
			 "the hub sends elsewhere (%s), where a callback never goes: give the "
			 "hub's own URL (%s)",
			 reply->location[0] ? reply->location : "it does not say where",
			 identity->mode == HUB_ADOPT ? "--jupyter-hub"
						     : "c.JupyterHub.hub_connect_url");
		return HUB_REFUSED;
	}
	snprintf(words, size, "that is no answer of a hub");
	return HUB_AGAIN;
}

enum hub_outcome hub_words_status(const struct hub_identity *identity,
				  const struct http_reply *reply, struct reason *words)
{
	char message[REPLY_MESSAGE_MAX], meaning[REASON_MAX];
	enum hub_outcome outcome = meaning_of(identity, reply, meaning, sizeof(meaning));

	reply_message(reply->body, reply->size, message);
	reason_set(words, "%s: HTTP status %ld: %s%s%s%s", identity->api, reply->status,
		   meaning, message[0] ? "; the hub says: \"" : "", message,
		   message[0] ? "\"" : "");
	return outcome;
}

static const char *loopback_advice(enum hub_mode mode)
{
	return mode == HUB_ADOPT
		       ? "--jupyter-hub must name the hub by an address that the job's nodes "
			 "reach"
		       : "the hub must tell its servers an address that the job's nodes reach: "
			 "set c.JupyterHub.hub_connect_url (or hub_connect_ip) and hub_ip in "
			 "its configuration; if the hub does run here, set hub_user in [site] "
			 "of "
			 "spank-jupyter.conf to its account";
}

enum hub_outcome hub_words_error(const struct hub_identity *identity, enum http_error error,
				 const char *detail, struct reason *words)
{
	const char *api = identity->api;

	switch (error) {
	case HTTP_LOOPBACK:
		reason_set(words, "%s leads to this node itself, and %s: %s", api, detail,
			   loopback_advice(identity->mode));
		return HUB_REFUSED;
	case HTTP_UNVERIFIED:
		reason_set(words,
			   "%s: TLS: %s; the hub's URL must have the name in its certificate, "
			   "whose authority must be known here (the system's, or "
			   "JUPYTERHUB_SSL_CLIENT_CA)",
			   api, detail);
		return HUB_CERTIFICATE;
	case HTTP_BAD_ANSWER:
		reason_set(words, "%s: what answers is no hub: %s", api, detail);
		return HUB_AWAY;
	case HTTP_BROKEN:
		reason_set(words, "%s: cannot be asked: %s", api, detail);
		return HUB_AGAIN;
	default:
		reason_set(words,
			   "%s: no answer: %s; is the hub running, and do firewalls let the "
			   "job's nodes reach it?%s",
			   api, detail,
			   /* It just closes the connection. */
			   strncmp(api, "https:", 6) != 0
				   ? ""
				   : " (a hub with internal_ssl wants JUPYTERHUB_SSL_KEYFILE "
				     "and JUPYTERHUB_SSL_CERTFILE)");
		return HUB_AWAY;
	}
}
