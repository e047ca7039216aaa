"""The headings of a page's navigation and notices, in the languages that most pages are in.

Names that are also subjects, such as Register, Archives, Forum and Share, are not among them: what
a page lists below them has hardly any text without its links. Index and Datenschutz are subjects
too.
"""

_BY_LANGUAGE = {
    "English": (
        "about us; advertisement; advertisements; advertising; all rights reserved; "
        "breadcrumb; breadcrumbs; contact us; contents; cookie policy; cookies; "
        "external links; follow us; footer; footnotes; get in touch; in this article; "
        "join our newsletter; latest news; latest posts; leave a comment; leave a reply; "
        "legal notice; log in; login; main menu; menu; more from us; most popular; "
        "navigation; newsletter; newsletters; on this page; popular posts; post a comment; "
        "post navigation; privacy policy; quick links; read more; recent comments; "
        "recent posts; related articles; related links; related posts; search this site; "
        "see also; share this; sidebar; sign in; sign up; site map; site navigation; "
        "sitemap; skip to content; sponsored; sponsored links; stay connected; subscribe; "
        "subscribe to our newsletter; table of contents; tag cloud; terms and conditions; "
        "terms of service; terms of use; toc; trending; user menu; you may also like; "
        "you might also like"
    ),
    "German": (
        "auf dieser seite; datenschutzerklärung; datenschutzhinweise; einzelnachweise; "
        "fußnoten; impressum; inhalt; inhaltsverzeichnis; kommentar hinterlassen; "
        "letzte beiträge; neueste beiträge; nutzungsbedingungen; schreibe einen kommentar; "
        "siehe auch; weblinks; ähnliche artikel; ähnliche beiträge"
    ),
    "French": (
        "articles connexes; articles récents; articles similaires; conditions d'utilisation; "
        "conditions générales d'utilisation; derniers articles; laisser un commentaire; "
        "liens externes; mentions légales; notes et références; plan du site; "
        "politique de confidentialité; sommaire; sur cette page; table des matières; "
        "voir aussi"
    ),
    "Spanish": (
        "artículos relacionados; aviso legal; deja un comentario; deja una respuesta; "
        "en esta página; enlaces externos; entradas recientes; mapa del sitio; "
        "política de cookies; política de privacidad; tabla de contenidos; términos de uso; "
        "términos y condiciones; ver también; véase también"
    ),
    "Italian": (
        "altri progetti; articoli correlati; collegamenti esterni; "
        "informativa sulla privacy; lascia un commento; mappa del sito; note legali; "
        "termini di servizio; voci correlate"
    ),
    "Portuguese": (
        "artigos relacionados; deixe um comentário; ligações externas; links externos; "
        "mapa do site; nesta página; política de privacidade; posts recentes; "
        "termos de serviço; termos de uso; ver também"
    ),
    "Dutch": (
        "externe koppelingen; externe links; gebruiksvoorwaarden; gerelateerde artikelen; "
        "inhoudsopgave; op deze pagina; privacybeleid; zie ook"
    ),
    "Polish": (
        "linki zewnętrzne; podobne artykuły; polityka prywatności; przypisy; spis treści; "
        "zobacz też"
    ),
    "Russian": (
        "внешние ссылки; карта сайта; на этой странице; оглавление; "
        "политика конфиденциальности; пользовательское соглашение; похожие статьи; "
        "см. также; смотрите также; содержание"
    ),
    "Chinese": (
        "使用条款; 使用條款; 参见; 參見; 发表评论; 外部連結; 外部链接; 服务条款; 服務條款; "
        "發表評論; 目录; 目錄; 相关文章; 相關文章; 網站地圖; 网站地图; 隐私政策; 隱私權政策"
    ),
    "Japanese": (
        "コメントを残す; サイトマップ; プライバシーポリシー; 利用規約; 外部リンク; "
        "最近の投稿; 目次; 脚注; 関連記事; 関連項目"
    ),
    "Korean": ("각주; 같이 보기; 개인정보처리방침; 관련 글; 목차; 사이트맵; 외부 링크; 이용약관"),
}
NAVIGATION = tuple(
    dict.fromkeys(name for names in _BY_LANGUAGE.values() for name in names.split("; "))
)
"""All of them, in small letters, each once."""
